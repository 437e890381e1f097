import { LabError } from "../core/errors.ts";

/** Waits for work that is told when it is late. Rejects with SETTLE_TIMEOUT and what `busy` then says. */
export async function inTime(
  work: (isLate: () => boolean) => Promise<void>,
  timeoutMs: number,
  busy: () => string,
): Promise<void> {
  let isLate = false;
  const { promise, resolve, reject } = deferred();
  const timer = setTimeout(() => {
    isLate = true;
    reject(new LabError("SETTLE_TIMEOUT", `the cluster did not settle within ${timeoutMs / 1000} s: ${busy()}`));
  }, timeoutMs);
  work(() => isLate).then(resolve, reject);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let resolve = (): void => {};
  let reject = (_error: unknown): void => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
