import { EPOLLIN, Epoll } from "./epoll.ts";
import { besideTheirLike, ProbeRound } from "./probe-round.ts";
import type { ProbeOutcome, ProbeTarget } from "./probe-round.ts";

/**
 * Targets with a deadline of their own, another for each round where they are more than a round holds; `done` is called once,
 * from inside {@link probeSideBySide}.
 */
export interface ProbeJob {
  targets: readonly ProbeTarget[];
  deadlineMs: number;
  /** When a datagram without an answer is sent once more. */
  resendUdpAfterMs: number;
  done(end: ProbeOutcome[] | Error): void;
}

interface RunningJob {
  job: ProbeJob;
  /** Its targets, those of a namespace together. */
  ordered: readonly ProbeTarget[];
  /** Outcomes of the job's earlier rounds. */
  outcomes: ProbeOutcome[];
  round: ProbeRound;
  deadline: number;
  resendUdpAt: number;
}

/** How long another job may wait for its start. */
const LONGEST_WAIT_MS = 5;

/**
 * Works on several jobs at once from one thread, each under its own deadline, until there is none. `next` gives the jobs that
 * came meanwhile. It waits for all of them together (an epoll descriptor is itself one that can be waited for, epoll(7)), so that
 * an answer is read, and timed, as soon as it is there. Blocks the calling thread.
 */
export function probeSideBySide(next: () => ProbeJob | undefined): void {
  const all = new Epoll();
  const running = new Set<RunningJob>();
  try {
    for (;;) {
      for (let job = next(); job !== undefined; job = next())
        start(job, besideTheirLike(job.targets), [], all, running);
      if (running.size === 0) return;
      waitForAny(all, running);
      for (const each of running) {
        if (!step(each)) continue;
        running.delete(each);
        const { job, ordered, outcomes } = each;
        if (outcomes.length < ordered.length) start(job, ordered, outcomes, all, running);
        else job.done(outcomes);
      }
    }
  } finally {
    for (const { round } of running) round.close();
    all.close();
  }
}

/** Starts the round of a job that follows those whose outcomes are there. */
function start(
  job: ProbeJob,
  ordered: readonly ProbeTarget[],
  outcomes: ProbeOutcome[],
  all: Epoll,
  running: Set<RunningJob>,
): void {
  const round = new ProbeRound();
  try {
    round.start(ordered, outcomes.length);
    round.watch();
    all.add(round.epoll.fd, EPOLLIN);
  } catch (error) {
    round.close();
    job.done(error as Error);
    return;
  }
  const now = performance.now();
  running.add({
    job,
    ordered,
    outcomes,
    round,
    deadline: now + job.deadlineMs,
    resendUdpAt: now + job.resendUdpAfterMs,
  });
}

function waitForAny(all: Epoll, running: ReadonlySet<RunningJob>): void {
  const due = Math.min(...[...running].map(({ deadline, resendUdpAt }) => Math.min(deadline, resendUdpAt)));
  all.wait(Math.max(0, Math.ceil(Math.min(LONGEST_WAIT_MS, due - performance.now()))));
}

/** Whether its round has ended; the outcomes are then with the others. */
function step(running: RunningJob): boolean {
  const { round, deadline, resendUdpAt, outcomes } = running;
  const now = performance.now();
  const hasEnded = round.step(now, deadline, resendUdpAt);
  if (now >= resendUdpAt) running.resendUdpAt = Number.POSITIVE_INFINITY;
  if (!hasEnded) return false;
  running.outcomes = outcomes.concat(round.outcomes);
  round.close();
  return true;
}
