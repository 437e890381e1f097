import { LabError } from "../core/errors.ts";

/** Waits for the cluster to settle, which is told when its time is over. Rejects with SETTLE_TIMEOUT; `busy` says why. */
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
