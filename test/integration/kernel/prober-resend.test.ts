import { closeSync, openSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { probeAll } from "../../../src/kernel/prober.ts";
import type { ProbeOutcome } from "../../../src/kernel/probe-round.ts";

/* Needs CAP_SYS_ADMIN: the prober enters a namespace, here its own. */
const isRoot = process.getuid?.() === 0;

/** On a thread of its own, since the prober blocks: answers the second datagram of each sender, as after a loss. */
const server = `
  const { parentPort } = require("node:worker_threads");
  const socket = require("node:dgram").createSocket("udp4");
  const seen = new Set();
  socket.on("message", (_, { port }) => (seen.has(port) ? socket.send("here", port, "127.0.0.1") : seen.add(port)));
  socket.bind(0, "127.0.0.1", () => parentPort.postMessage(socket.address().port));
`;

test.skipIf(!isRoot)(
  "a lost datagram is no silence: it is sent again, and the answer counts as a retransmit",
  async () => {
    const worker = new Worker(server, { eval: true });
    const port = await new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    const netnsFd = openSync("/proc/self/ns/net", "r");
    const target = { id: 1, netnsFd, address: "127.0.0.1", port, protocol: "udp" } as const;
    try {
      const [once] = probeAll([target], 200, undefined) as [ProbeOutcome];
      expect(once).toMatchObject({ outcome: "no-answer", retransmits: 0 });
      const [again] = probeAll([target], 5000, undefined, { resendUdpAfterMs: 100 }) as [ProbeOutcome];
      expect(again).toMatchObject({ outcome: "answered", retransmits: 1 });
      expect(again.latencyMs).toBeGreaterThanOrEqual(100);
    } finally {
      closeSync(netnsFd);
      await worker.terminate();
    }
  },
);
