import { LabError } from "../../../core/errors.ts";
import { CAPTURE_ROOM } from "../../../kernel/packet-reader.ts";
import type { Agents, Place } from "../types.ts";
import { parsePacket, type Packet } from "./packet.ts";

/** A capture that could not be made says why in place of packets. */
export type Captured = { packets: readonly Packet[] } | { reason: string };

export interface Capture {
  packets(): readonly Packet[];
  /** Resolves when nothing of it is left. */
  stop(): Promise<void>;
}

/** Busy servers have clients besides ours. */
const MOST_PACKETS = 500;
const STARTED = /^(?:tcpdump: )?listening on /m;
const START_TIMEOUT_MS = 5000;

/** Absolute sequence numbers, no names, each packet at once; it need not see what is not for this place. */
export function captureCommand(filter: string): string[] {
  return ["tcpdump", "-i", "any", "-p", "-n", "-S", "-l", "--immediate-mode", ...CAPTURE_ROOM, filter];
}

/**
 * Captures what the filter (pcap-filter(7)) lets through at all interfaces of a place; resolves once the kernel hands
 * packets over. Rejects with CAPTURE_FAILED, or what {@link Agents.follow} rejects with.
 */
export async function startCapture(agents: Agents, place: Place, filter: string): Promise<Capture> {
  const packets: Packet[] = [];
  let rest = "";
  let said = "";
  let onStart: () => void = () => undefined;
  const started = new Promise<void>((resolve) => (onStart = resolve));
  const running = await agents.follow(place, captureCommand(filter), (text, stream) => {
    if (stream === "err") {
      said += text;
      if (STARTED.test(said)) onStart();
      return;
    }
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const packet = parsePacket(line);
      if (packet !== undefined && packets.length < MOST_PACKETS) packets.push(packet);
    }
  });
  const failed = (how: string): LabError => new LabError("CAPTURE_FAILED", `tcpdump ${how}: ${said.trim()}`);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((_, reject) => {
    timer = setTimeout(() => reject(failed(`did not listen within ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS);
  });
  const ended = running.ended.then(() => Promise.reject(failed("ended")));
  // Once it listens, its end is no news: it is stopped.
  ended.catch(() => undefined);
  try {
    await Promise.race([started, ended, late]);
  } catch (error) {
    await running.stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { packets: () => packets, stop: () => running.stop() };
}
