import { expect, test } from "vitest";
import { capturePackets } from "../../../../src/providers/real/packet-capture.ts";
import type { Agents, Place } from "../../../../src/providers/real/types.ts";
import { scriptedAgents } from "../../../fixtures/scripted-agents.ts";

const node: Place = { kind: "node", node: "worker1" };
const packet = (hex: string): string => `1795326663.398036 eth0  Out IP 10.0.0.1 > 10.0.0.2: ICMP\n\t0x0000:  ${hex}\n`;

/** Agents whose tcpdump shows `before`, then the packet that ends the capture, then `after`; `said` is what it says at first. */
function capturing({ before = "", after = "", said = "tcpdump: listening on any\n" }): {
  agents: Agents;
  stopped: () => boolean;
} {
  let isStopped = false;
  let take: Parameters<Agents["follow"]>[2] = () => undefined;
  const agents: Agents = {
    ...scriptedAgents({
      exec: (_place, argv) => {
        take(before + packet(argv[argv.indexOf("-p") + 1] ?? "") + after, "out");
        return "";
      },
    }),
    follow: (_place, _argv, given) => {
      take = given;
      take(said, "err");
      const isRefused = !said.includes("listening");
      return Promise.resolve({
        ended: isRefused ? Promise.resolve() : new Promise<void>(() => undefined),
        stop: () => {
          isStopped = true;
          return Promise.resolve();
        },
      });
    },
  };
  return { agents, stopped: () => isStopped };
}

test("all that came before its own last packet is handed over, nothing after it", async () => {
  const { agents, stopped } = capturing({ before: packet("4500") + packet("4501"), after: packet("4502") });
  const capture = await capturePackets(agents, node, "icmp");
  expect(stopped()).toBe(false);
  expect((await capture.stop()).map(({ hex }) => hex)).toEqual(["4500", "4501"]);
  expect(stopped()).toBe(true);
});

test("a tcpdump that refuses is CAPTURE_FAILED, and stopped", async () => {
  const { agents, stopped } = capturing({ said: "tcpdump: syntax error in filter\n" });
  await expect(capturePackets(agents, node, "no such")).rejects.toMatchObject({
    code: "CAPTURE_FAILED",
    message: expect.stringContaining("syntax error") as unknown,
  });
  expect(stopped()).toBe(true);
});

test("without a way to send the last packet nothing is said of the others", async () => {
  const { agents, stopped } = capturing({ before: packet("4500") });
  const lost: Agents = {
    ...agents,
    exec: async (...call) => ({
      ...(await agents.exec(...call)),
      exitCode: 2,
      stderr: "ping: socket: Permission denied",
    }),
  };
  const capture = await capturePackets(lost, node, "icmp");
  await expect(capture.stop()).rejects.toMatchObject({
    code: "CAPTURE_FAILED",
    message: "the packet that ends a capture could not be sent: ping: socket: Permission denied",
  });
  expect(stopped()).toBe(true);
});
