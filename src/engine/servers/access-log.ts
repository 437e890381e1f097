/** Lines kept of each container; older ones go. */
const LIMIT = 200;
const LONGEST_LINE = 512;

/** One line of a container's log. */
export interface LogLine {
  /** Counted from 1 on, without gaps as they are written. */
  number: number;
  /** When it was written, milliseconds since the epoch. */
  atMs: number;
  text: string;
}

/** What is known of a log beyond some line. */
export interface LogPart {
  lines: LogLine[];
  /** Whether nothing can come after them: what wrote them has ended. */
  isOver: boolean;
}

/** What the modelled servers of one run of a container have written, newest last. */
export class AccessLog {
  private lines: LogLine[] = [];
  private written = 0;
  private isOver = false;
  private readonly waiting = new Set<() => void>();

  add(line: string): void {
    this.written += 1;
    // Control characters of a request would reach the reader's terminal.
    const text = line.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, LONGEST_LINE);
    this.lines.push({ number: this.written, atMs: Date.now(), text });
    if (this.lines.length > LIMIT) this.lines.splice(0, this.lines.length - LIMIT);
    this.wake();
  }

  /** Nothing comes any more: its container has ended. */
  end(): void {
    this.isOver = true;
    this.wake();
  }

  /** The lines after that number which are still there. */
  read(after = 0): LogPart {
    return { lines: this.lines.filter(({ number }) => number > after), isOver: this.isOver };
  }

  /** {@link read}, as soon as there is something to tell, or the signal is aborted. */
  async next(after: number, signal: AbortSignal): Promise<LogPart> {
    if (this.written <= after && !this.isOver && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.waiting.add(wake);
        signal.addEventListener("abort", wake);
      });
    }
    return this.read(after);
  }

  private wake(): void {
    for (const wake of this.waiting) wake();
  }
}
