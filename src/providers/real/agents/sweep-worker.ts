import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import { homeNamespace } from "../../../kernel/namespace.ts";
import { probeSideBySide } from "../../../kernel/probe-loop.ts";
import type { ProbeJob } from "../../../kernel/probe-loop.ts";
import type { ProbeOutcome, ProbeTarget } from "../../../kernel/probe-round.ts";

export interface SweepRequest {
  id: number;
  targets: ProbeTarget[];
  deadlineMs: number;
}

export type SweepReply = { id: number; outcomes: ProbeOutcome[] } | { id: number; error: string };

// Where this thread comes back to; opened now so that later work leaves no descriptor behind.
homeNamespace();

function jobOf({ id, targets, deadlineMs }: SweepRequest): ProbeJob {
  return {
    targets,
    deadlineMs,
    resendUdpAfterMs: Math.min(500, deadlineMs * 0.4),
    done: (end) => {
      const reply: SweepReply = end instanceof Error ? { id, error: end.stack ?? end.message } : { id, outcomes: end };
      parentPort?.postMessage(reply);
    },
  };
}

const port = parentPort;
port?.on("message", (first: SweepRequest) => {
  let given: SweepRequest | undefined = first;
  probeSideBySide(() => {
    const request = given ?? (receiveMessageOnPort(port)?.message as SweepRequest | undefined);
    given = undefined;
    return request === undefined ? undefined : jobOf(request);
  });
});
