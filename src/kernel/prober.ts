import { MOST_AT_ONCE, ProbeRound } from "./probe-round.ts";
import type { DropLookup, ProbeOutcome, ProbeTarget } from "./probe-round.ts";

/**
 * Opens every target at once from one thread and waits for all under one deadline: connect(2) without blocking, then
 * epoll(7). A flow that `dropped`, where there is one, names does not wait for the deadline. Blocks the calling thread, so it belongs on a
 * worker of its own. Targets beyond 8192 go in further rounds, each with its own deadline. With `resendUdpAfterMs` a
 * datagram without an answer by then is sent once more, as TCP does of itself, so that a lost one is no silence; an
 * answer after that counts as a retransmit.
 */
export function probeAll(
  targets: readonly ProbeTarget[],
  deadlineMs: number,
  dropped: DropLookup | undefined,
  { resendUdpAfterMs = Number.POSITIVE_INFINITY }: { resendUdpAfterMs?: number } = {},
): ProbeOutcome[] {
  const outcomes: ProbeOutcome[] = [];
  for (let start = 0; start < targets.length; start += MOST_AT_ONCE) {
    const round = new ProbeRound();
    try {
      round.start(targets.slice(start, start + MOST_AT_ONCE));
      const now = performance.now();
      round.wait(now + deadlineMs, now + resendUdpAfterMs, dropped);
      outcomes.push(...round.outcomes);
    } finally {
      round.close();
    }
  }
  return outcomes;
}
