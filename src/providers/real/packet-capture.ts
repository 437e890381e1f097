import { randomBytes } from "node:crypto";
import { LabError } from "../../core/errors.ts";
import { CaptureOutput } from "../../kernel/capture-output.ts";
import { packetCommand } from "../../kernel/packet-reader.ts";
import type { RunningCapture } from "../capture.ts";
import type { Agents, Place } from "./types.ts";

/** Where the last packet of a capture goes: an echo request, of which ping(8) fills the data with a pattern. */
const LAST = "127.0.0.1";
const LAST_TIMEOUT_MS = 5000;

/**
 * Captures what the filter (pcap-filter(7)) lets through at all interfaces of a place, by the agent's tcpdump(8); resolves once the
 * kernel hands packets over. `stop` sends a packet of ours inside the place, which comes out after all that came before it. Rejects with
 * CAPTURE_FAILED, or what {@link Agents.follow} rejects with; no capture is left then.
 */
export async function capturePackets(agents: Agents, place: Place, filter: string): Promise<RunningCapture> {
  const output = new CaptureOutput();
  const argv = packetCommand(`(${filter}) or (icmp and dst host ${LAST})`);
  const running = await agents.follow(place, argv, (text, stream) =>
    stream === "out" ? output.take(text) : output.say(text),
  );
  // That an agent was lost is told by whoever waits for packets: without it there are none.
  running.ended.then(
    () => output.end(),
    (error: unknown) => {
      output.say(`\n${error instanceof Error ? error.message : String(error)}`);
      output.end();
    },
  );
  try {
    await output.untilListening();
  } catch (error) {
    await running.stop();
    throw error;
  }
  return {
    stop: async () => {
      try {
        const mark = randomBytes(16).toString("hex");
        await sendLast(agents, place, mark);
        return await output.upTo(({ hex }) => hex.includes(mark));
      } finally {
        await running.stop();
      }
    },
  };
}

/** Whether it is answered is of no matter: it is seen on its way out. */
async function sendLast(agents: Agents, place: Place, mark: string): Promise<void> {
  const argv = ["ping", "-n", "-q", "-c", "1", "-W", "1", "-p", mark, LAST];
  const { exitCode, stderr } = await agents.exec(place, argv, { timeoutMs: LAST_TIMEOUT_MS });
  // 1: no answer (ping(8)).
  if (exitCode === 0 || exitCode === 1) return;
  throw new LabError("CAPTURE_FAILED", `the packet that ends a capture could not be sent: ${stderr.trim()}`);
}
