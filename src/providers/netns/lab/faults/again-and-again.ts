/**
 * Does a fault's work at intervals until the returned function is called. What fails is told in the lab's log and ends it: the lab itself is
 * not to end by it.
 */
export function againAndAgain(intervalMs: number, what: string, work: () => void): () => void {
  const timer = setInterval(() => {
    try {
      work();
    } catch (error) {
      clearInterval(timer);
      process.stderr.write(`${what} has stopped: ${error instanceof Error ? error.stack : String(error)}\n`);
    }
  }, intervalMs);
  return () => clearInterval(timer);
}
