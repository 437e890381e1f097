import { closeSync, openSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { probeSideBySide } from "../../../src/kernel/probe-loop.ts";
import type { ProbeJob } from "../../../src/kernel/probe-loop.ts";
import type { ProbeOutcome, ProbeTarget } from "../../../src/kernel/probe-round.ts";

/* Needs CAP_SYS_ADMIN: the prober enters a namespace, here its own. */
const isRoot = process.getuid?.() === 0;

/** On a thread of its own, since the prober blocks: never answers on UDP, and on TCP as the kernel does. */
const servers = `
  const { parentPort } = require("node:worker_threads");
  const silent = require("node:dgram").createSocket("udp4");
  const tcp = require("node:net").createServer((socket) => socket.on("error", () => socket.destroy()));
  silent.bind(0, "127.0.0.1", () => tcp.listen(0, "127.0.0.1", () =>
    parentPort.postMessage({ silent: silent.address().port, open: tcp.address().port })));
`;

let worker: Worker;
let ports: { silent: number; open: number };
let netnsFd: number;

beforeAll(async () => {
  worker = new Worker(servers, { eval: true });
  [ports] = (await once(worker, "message")) as [typeof ports];
  netnsFd = openSync("/proc/self/ns/net", "r");
});

afterAll(async () => {
  closeSync(netnsFd);
  await worker.terminate();
});

function silent(id: number): ProbeTarget {
  return { id, netnsFd, address: "127.0.0.1", port: ports.silent, protocol: "udp" };
}

function open(id: number): ProbeTarget {
  return { id, netnsFd, address: "127.0.0.1", port: ports.open, protocol: "tcp" };
}

/** Runs jobs, each given once those before it are under way; returns names in the order in which they ended. */
function run(jobs: Record<string, Omit<ProbeJob, "done">>): { order: string[]; ends: Record<string, unknown> } {
  const order: string[] = [];
  const ends: Record<string, unknown> = {};
  const given = Object.entries(jobs);
  // A look without a job between two, so that the first already waits when the next comes.
  let isTurn = true;
  probeSideBySide(() => {
    const next = isTurn ? given.shift() : undefined;
    isTurn = !isTurn;
    if (next === undefined) return undefined;
    const [name, job] = next;
    return {
      ...job,
      done: (end) => {
        order.push(name);
        ends[name] = end instanceof Error ? end.message : end.map(({ outcome }: ProbeOutcome) => outcome);
      },
    };
  });
  return { order, ends };
}

const never = Number.POSITIVE_INFINITY;

test.skipIf(!isRoot)("a job that waits holds up none that comes after it", () => {
  const { order, ends } = run({
    longest: { targets: [silent(1), open(2)], deadlineMs: 900, resendUdpAfterMs: never },
    shorter: { targets: [silent(1)], deadlineMs: 300, resendUdpAfterMs: 100 },
    answered: { targets: [open(1)], deadlineMs: 900, resendUdpAfterMs: never },
  });
  expect(order).toEqual(["answered", "shorter", "longest"]);
  expect(ends).toEqual({ longest: ["answered", "no-answer"], shorter: ["no-answer"], answered: ["answered"] });
});

test.skipIf(!isRoot)("a job that cannot start is told so, and the others go on", () => {
  const { ends } = run({
    whole: { targets: [silent(1), open(2)], deadlineMs: 300, resendUdpAfterMs: never },
    broken: { targets: [{ ...open(1), netnsFd: 1_000_000 }], deadlineMs: 300, resendUdpAfterMs: never },
  });
  expect(ends).toEqual({ broken: expect.stringContaining("EBADF") as string, whole: ["answered", "no-answer"] });
});

test.skipIf(!isRoot)(
  "as many as a round holds may be silent; the others are tried in the next, and each has its outcome",
  () => {
    // 4096 that nobody answers, and one behind them that is.
    const targets = [...Array.from({ length: 4096 }, (_, id) => silent(id)), open(4096)];
    let outcomes: ProbeOutcome[] = [];
    const jobs: ProbeJob[] = [
      {
        targets,
        deadlineMs: 300,
        resendUdpAfterMs: never,
        done: (end) => (outcomes = end instanceof Error ? [] : end),
      },
    ];
    const startedAt = performance.now();
    probeSideBySide(() => jobs.shift());
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(300);
    expect(new Set(outcomes.map(({ id }) => id)).size).toBe(4097);
    expect(outcomes.filter(({ outcome }) => outcome === "no-answer")).toHaveLength(4096);
    expect(outcomes.at(-1)).toMatchObject({ id: 4096, outcome: "answered" });
  },
);

test.skipIf(!isRoot)("those that are answered take no place of others", () => {
  const targets = Array.from({ length: 10_000 }, (_, id) => open(id));
  let outcomes: ProbeOutcome[] = [];
  const jobs: ProbeJob[] = [
    { targets, deadlineMs: 5000, resendUdpAfterMs: never, done: (end) => (outcomes = end instanceof Error ? [] : end) },
  ];
  probeSideBySide(() => jobs.shift());
  expect(new Set(outcomes.map(({ id }) => id)).size).toBe(10_000);
  expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["answered"]));
});
