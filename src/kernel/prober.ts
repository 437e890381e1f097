import { besideTheirLike, ProbeRound } from "./probe-round.ts";
import type { DropLookup, ProbeOutcome, ProbeTarget } from "./probe-round.ts";

/**
 * Opens all targets from one thread, none awaiting another, and waits for all under one deadline: connect(2) without blocking, then
 * epoll(7). A flow that `dropped`, where there is one, names does not wait for the deadline. Blocks the calling thread, so it belongs on a
 * worker of its own. Where 4096 are without an answer, the others go in further rounds, each with its own deadline. With `resendUdpAfterMs` a
 * datagram without an answer by then is sent once more, as TCP does of itself, so that a lost one is no silence; an
 * answer after that counts as a retransmit.
 */
export function probeAll(
  targets: readonly ProbeTarget[],
  deadlineMs: number,
  dropped: DropLookup | undefined,
  { resendUdpAfterMs = Number.POSITIVE_INFINITY }: { resendUdpAfterMs?: number } = {},
): ProbeOutcome[] {
  const ordered = besideTheirLike(targets);
  let outcomes: ProbeOutcome[] = [];
  for (let first = 0; first < ordered.length;) {
    const round = new ProbeRound();
    try {
      first += round.start(ordered, first);
      const now = performance.now();
      round.wait(now + deadlineMs, now + resendUdpAfterMs, dropped);
      outcomes = outcomes.concat(round.outcomes);
    } finally {
      round.close();
    }
  }
  return outcomes;
}
