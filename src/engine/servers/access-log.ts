/** Lines kept of each container; older ones go. */
const LIMIT = 200;
const LONGEST_LINE = 512;

/** What the modelled servers of one container have written, newest last. */
export class AccessLog {
  private readonly lines: string[] = [];

  add(line: string): void {
    // Control characters of a request would reach the reader's terminal.
    this.lines.push(line.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, LONGEST_LINE));
    if (this.lines.length > LIMIT) this.lines.splice(0, this.lines.length - LIMIT);
  }

  read(): string[] {
    return [...this.lines];
  }
}
