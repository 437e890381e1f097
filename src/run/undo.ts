import { LabError } from "../core/errors.ts";

/** One thing to take back; `title` says it to a person when it fails. */
export interface Undo {
  title: string;
  run(): Promise<void>;
}

/** What is to be taken back if the run does not reach its end; the latest first. */
export class UndoStack {
  private readonly entries: Undo[] = [];

  /** Call before the act, so that an interrupt in the middle of it finds the undo. */
  register(undo: Undo): void {
    this.entries.push(undo);
  }

  /** Takes everything back, each even when another fails; rejects with UNDO_FAILED, which names all that failed. */
  async unwind(): Promise<void> {
    const failures: string[] = [];
    for (let undo = this.entries.pop(); undo !== undefined; undo = this.entries.pop()) {
      try {
        await undo.run();
      } catch (error) {
        failures.push(`${undo.title}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    if (failures.length > 0) {
      throw new LabError("UNDO_FAILED", `not everything could be taken back:\n${failures.join("\n")}`, {
        hint: "cnilab status shows what is left, cnilab down LAB removes it",
      });
    }
  }
}
