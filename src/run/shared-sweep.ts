import { LabError } from "../core/errors.ts";
import type { Cluster, SweepCell, SweepCellResult } from "../providers/types.ts";

/** Who has one flow to try in a {@link SharedSweep}, or none after all. */
export interface SweepTurn {
  /** The first is part of the shared sweep; a further one has its own. Rejects with what the cluster rejects with. */
  try(cell: Omit<SweepCell, "id">): Promise<SweepCellResult>;
  /** Has no flow to try, if it has tried none yet: the others wait no longer. */
  end(): void;
}

interface Waiting {
  cell: Omit<SweepCell, "id">;
  resolve: (result: SweepCellResult) => void;
  reject: (error: unknown) => void;
}

/**
 * Several flows in one sweep, begun when each of those who take part has given its flow or ended its turn. A cluster makes one sweep
 * after another, and each that has a silent flow takes the whole deadline.
 */
export class SharedSweep {
  private readonly cluster: Cluster;
  private readonly deadlineMs: number;
  private readonly waiting: Waiting[] = [];
  private open = 0;

  constructor(cluster: Cluster, deadlineMs: number) {
    this.cluster = cluster;
    this.deadlineMs = deadlineMs;
  }

  /** All turns are taken before the first flow is given. */
  turn(): SweepTurn {
    this.open += 1;
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      this.open -= 1;
      if (this.open === 0) void this.begin();
    };
    return {
      try: (cell) =>
        isOpen
          ? new Promise((resolve, reject) => {
              this.waiting.push({ cell, resolve, reject });
              close();
            })
          : this.alone(cell),
      end: close,
    };
  }

  private async alone(cell: Omit<SweepCell, "id">): Promise<SweepCellResult> {
    const { cells } = await this.cluster.sweep([{ id: 0, ...cell }], { deadlineMs: this.deadlineMs });
    return resultOf(cells, 0);
  }

  private async begin(): Promise<void> {
    const { waiting } = this;
    if (waiting.length === 0) return;
    try {
      const asked = waiting.map(({ cell }, id) => ({ id, ...cell }));
      const { cells } = await this.cluster.sweep(asked, { deadlineMs: this.deadlineMs });
      for (const [id, { resolve }] of waiting.entries()) resolve(resultOf(cells, id));
    } catch (error) {
      // Those that are resolved already stay so.
      for (const { reject } of waiting) reject(error);
    }
  }
}

function resultOf(cells: readonly SweepCellResult[], id: number): SweepCellResult {
  const found = cells.find((cell) => cell.id === id);
  if (found === undefined) throw new LabError("LOOK_FAILED", "the flow was never tried again");
  return found;
}
