import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type * as z from "zod";
import { LabError } from "../core/errors.ts";

/** A provider's own file in a lab's state directory, for its owner's eyes: JSON of one shape. */
export interface StateFile<State> {
  /** Undefined where nothing was made here. Throws where it is not of its shape. */
  read(stateDirectory: string): State | undefined;
  /** As a whole, so that it is never half there. */
  write(stateDirectory: string, state: State): Promise<void>;
  /** One that is gone is fine. */
  remove(stateDirectory: string): void;
}

/** The state of a lab that is up; undefined where none is, or where one was left half made. */
export function stateWhenUp<State extends { stage: "making" | "up" }>(state: State | undefined): State | undefined {
  return state?.stage === "up" ? state : undefined;
}

/** {@link stateWhenUp}; throws LAB_NOT_RUNNING. */
export function requireUp<State extends { stage: "making" | "up" }>(state: State | undefined): State {
  if (state?.stage === "up") return state;
  throw new LabError("LAB_NOT_RUNNING", "the lab is not running", { hint: "cnilab up LAB starts it" });
}

export function stateFile<State>(name: string, schema: z.ZodType<State>): StateFile<State> {
  return {
    read: (stateDirectory) => {
      let text: string;
      try {
        text = readFileSync(join(stateDirectory, name), "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
      return schema.parse(JSON.parse(text));
    },
    write: (stateDirectory, state) =>
      writeFileAtomic(join(stateDirectory, name), `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 }),
    remove: (stateDirectory) => rmSync(join(stateDirectory, name), { force: true }),
  };
}
