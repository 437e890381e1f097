import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { CapturedPacket } from "../../src/kernel/packet-reader.ts";
import { capturePackets } from "../../src/providers/real/packet-capture.ts";
import type { Agents, Place } from "../../src/providers/real/types.ts";
import { deadlineMs, failure } from "./agent-calls.ts";

/** A pod of the conformance test by its name. */
type FindPod = (name: string) => { place: Place & { kind: "pod" }; address: string };

/** Echo requests of a pod whose node is another than the servers': each of the outcomes that one cluster can show. */
export async function expectEchoes(agents: Agents, pod: FindPod): Promise<void> {
  const { place: client } = pod("client");
  const { address: server } = pod("server");
  const { address: closed } = pod("closed");
  const own = await agents.exec(client, ["ip", "-o", "link", "show", "eth0"], { timeoutMs: 5000 });
  const mtu = Number(/ mtu (\d+) /.exec(own.stdout)?.[1]);
  expect(mtu).toBeGreaterThan(1280);
  const { signal } = new AbortController();
  const send = (from: Place, address: string, sizes: number[]) =>
    agents.echo(from, { address, sizes, tries: 3, deadlineMs }, signal);
  expect(await send(client, server, [68, mtu, mtu + 1, 9000])).toEqual([
    { size: 68, outcome: "answered" },
    { size: mtu, outcome: "answered" },
    { size: mtu + 1, outcome: "too-big" },
    { size: 9000, outcome: "too-big" },
  ]);
  expect(await send(client, closed, [68])).toEqual([{ size: 68, outcome: "silent" }]);
  // Broadcasts are refused to sockets that did not ask for them (ip(7)).
  expect(await send(client, "255.255.255.255", [68])).toEqual([{ size: 68, outcome: "unreachable", detail: "EACCES" }]);
  expect(await send(client, "::1", [100, 9000])).toEqual([
    { size: 100, outcome: "answered" },
    { size: 9000, outcome: "answered" },
  ]);
  const gone = { ...client, uid: "00000000-0000-4000-8000-000000000000" };
  expect(await failure(send(gone, server, [68]))).toMatchObject({ code: "SOURCE_MISSING" });
}

/** Captures at both pods and on the server's node, of two echo requests and their replies, and nothing less. */
export async function expectCaptures(agents: Agents, pod: FindPod): Promise<void> {
  const { place: client } = pod("client");
  const { address, place } = pod("server");
  const marker = randomBytes(16).toString("hex");
  const places: Place[] = [client, { kind: "node", node: place.node }, place];
  const captures = await Promise.all(places.map((each) => capturePackets(agents, each, "icmp or udp")));
  const ping = ["ping", "-c", "2", "-i", "0.2", "-p", marker, address];
  expect((await agents.exec(client, ping, { timeoutMs: 5000 })).exitCode).toBe(0);
  const seen = await Promise.all(captures.map((capture) => capture.stop()));
  const [atClient, onNode, atServer] = seen.map((packets) => waysOf(packets.filter(({ hex }) => hex.includes(marker))));
  expect(atClient).toEqual(["eth0 out", "eth0 in", "eth0 out", "eth0 in"]);
  expect(atServer).toEqual(["eth0 in", "eth0 out", "eth0 in", "eth0 out"]);
  expect(new Set(onNode)).toEqual(new Set(["eth0 in", "cali out", "cali in", "eth0 out"]));
  expect(await failure(capturePackets(agents, client, "no such filter"))).toMatchObject({ code: "CAPTURE_FAILED" });
}

function waysOf(packets: readonly CapturedPacket[]): string[] {
  return packets.map(({ interface: name, isIn }) => `${name.replace(/^cali.*/, "cali")} ${isIn ? "in" : "out"}`);
}
