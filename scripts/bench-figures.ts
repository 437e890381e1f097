/** What benchmarks share: times, medians, lines. */

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function line(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** How long the work took, and what it gave. */
export function timed<Result>(work: () => Result): { ms: number; result: Result } {
  const startedAt = performance.now();
  const result = work();
  return { ms: performance.now() - startedAt, result };
}
