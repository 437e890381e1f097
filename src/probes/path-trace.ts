import type { CapturedPacket } from "../kernel/packet-reader.ts";
import { readLayers } from "./packet-layers.ts";
import type { LayeredPacket } from "./packet-layers.ts";

/** How a packet may go from node to node. */
export const ENCAPSULATIONS = ["none", "vxlan", "ipip", "wireguard", "esp"] as const;
export type Encapsulation = (typeof ENCAPSULATIONS)[number];

/** What was captured at one place. */
export interface Vantage {
  /** As reports name it. */
  name: string;
  /** Where it is a node: what it has towards other nodes. */
  node?: { links: readonly string[]; addresses: readonly string[] };
  /** The flow may end here. */
  isEnd: boolean;
  packets: readonly CapturedPacket[];
}

/** What tells the flow's packets from others. */
export type FlowMark =
  /** Sequence numbers, which address translation leaves alone, are taken from what the source sends. */
  | { protocol: "tcp"; address: string; port: number }
  /** Ends that the flow may be translated to, the one aimed at among them. */
  | { protocol: "udp"; ends: readonly { address: string; port: number }[] }
  /** In the payload of the echo request. */
  | { protocol: "icmp"; payload: Buffer };

/** A packet of the flow at a place. */
export interface Sighting extends LayeredPacket {
  at: CapturedPacket;
}

/** A node that the flow passes, starts or ends at. */
export interface PathStep {
  node: string;
  /** First taken in; absent at the node that the flow starts from. */
  entry?: Sighting;
  /** Last taken in without a tunnel around it, which is what the node routes. */
  routed?: Sighting;
  /** Last passed on; absent where it ends or is lost. */
  exit?: Sighting;
  /** To the next node; undefined where nothing that was seen can be it. Absent where no other node follows. */
  encapsulation?: Encapsulation | undefined;
}

/** One flow's way, as far as it was seen. */
export interface TracedPath {
  sent: Sighting;
  steps: PathStep[];
  arrived?: { at: string; packet: Sighting };
}

const ECHO_REQUESTS: readonly number[] = [8, 128];
const ESP = 50;
/** A data packet's type, then three zero bytes (wireguard.com/protocol). */
const WIREGUARD_DATA = 0x04_00_00_00;
const WIREGUARD_OVERHEAD = 60;

/** The flow's way among what was captured, the source's place first; undefined where the source sent nothing of it. */
export function tracePath(vantages: readonly Vantage[], mark: FlowMark): TracedPath | undefined {
  const [source] = vantages;
  if (source === undefined) return undefined;
  const read = vantages.map((vantage) => ({ ...vantage, seen: sightings(vantage.packets) }));
  const belongs = recogniser(mark, read[0]?.seen ?? []);
  const flows = read.map(({ seen, ...vantage }) => ({ ...vantage, all: seen, seen: seen.filter(belongs) }));
  const sent = flows[0]?.seen.find(({ at }) => !at.isIn);
  if (sent === undefined) return undefined;
  const nodes = flows.filter(({ node, seen }) => node !== undefined && seen.length > 0).toSorted(byProgress);
  const steps = nodes.map((node, index) => stepOf(node, nodes[index + 1]));
  const arrived = flows
    .flatMap(({ name, isEnd, node, seen }) => {
      const packet = isEnd ? seen.findLast(({ at, tunnels }) => at.isIn && tunnels.length === 0) : undefined;
      // A node that passes it on is none of its ends.
      const isPassed = node !== undefined && seen.some(({ at }) => !at.isIn);
      return packet === undefined || isPassed ? [] : [{ at: name, packet }];
    })
    .toSorted((a, b) => a.packet.inner.ttl - b.packet.inner.ttl)[0];
  return { sent, steps, ...(arrived === undefined ? {} : { arrived }) };
}

function sightings(packets: readonly CapturedPacket[]): Sighting[] {
  return packets.flatMap((at) => {
    const layers = readLayers(Buffer.from(at.hex, "hex"));
    return layers === undefined ? [] : [{ ...layers, at }];
  });
}

function recogniser(mark: FlowMark, sent: readonly Sighting[]): (packet: Sighting) => boolean {
  switch (mark.protocol) {
    case "tcp": {
      const sequences = ownSequences(mark, sent);
      return ({ inner: { content } }) => content.protocol === "tcp" && content.isSyn && sequences.has(content.sequence);
    }
    case "udp":
      return ({ inner: { destination, content } }) =>
        content.protocol === "udp" &&
        mark.ends.some(({ address, port }) => address === destination && port === content.destinationPort);
    case "icmp":
      return ({ inner: { content } }) =>
        content.protocol === "icmp" && ECHO_REQUESTS.includes(content.type) && content.payload.includes(mark.payload);
  }
}

/** A node also forwards what its pods send: that came in before. */
function ownSequences({ address, port }: { address: string; port: number }, sent: readonly Sighting[]): Set<number> {
  const sequences = (isIn: boolean): number[] =>
    sent.flatMap(({ at, tunnels, inner: { destination, content } }) =>
      at.isIn === isIn &&
      tunnels.length === 0 &&
      content.protocol === "tcp" &&
      content.isSyn &&
      (isIn || (destination === address && content.destinationPort === port))
        ? [content.sequence]
        : [],
    );
  const forwarded = new Set(sequences(true));
  return new Set(sequences(false).filter((sequence) => !forwarded.has(sequence)));
}

interface SeenAt extends Vantage {
  /** Of the flow. */
  seen: readonly Sighting[];
  /** Everything. */
  all: readonly Sighting[];
}

/** Every router takes one from the TTL; where nodes have clocks of their own, that is what orders them. */
function byProgress(a: SeenAt, b: SeenAt): number {
  const ttl = ({ seen }: SeenAt): number => Math.max(...seen.map(({ inner }) => inner.ttl));
  const comesIn = ({ seen }: SeenAt): number => (seen[0]?.at.isIn === true ? 1 : 0);
  return ttl(b) - ttl(a) || comesIn(a) - comesIn(b) || (a.seen[0]?.at.atMs ?? 0) - (b.seen[0]?.at.atMs ?? 0);
}

function stepOf(node: SeenAt, next: SeenAt | undefined): PathStep {
  const entry = node.seen.find(({ at }) => at.isIn);
  const routed = node.seen.findLast(({ at, tunnels }) => at.isIn && tunnels.length === 0);
  const exit = node.seen.findLast(({ at }) => !at.isIn);
  return {
    node: node.name,
    ...(entry === undefined ? {} : { entry }),
    ...(routed === undefined ? {} : { routed }),
    ...(exit === undefined ? {} : { exit }),
    ...(next === undefined ? {} : { encapsulation: encapsulationOf(node, next) }),
  };
}

/** What left towards the other node: the flow's own packet on a link between nodes, or one that nobody can look into. */
function encapsulationOf({ node, seen, all }: SeenAt, next: SeenAt): Encapsulation | undefined {
  const isOnLink = ({ at }: Sighting): boolean => !at.isIn && node?.links.includes(at.interface) === true;
  const onLink = seen.filter(isOnLink);
  const tunnelled = onLink.find(({ tunnels }) => tunnels.length > 0);
  if (tunnelled !== undefined) return tunnelled.tunnels[0]?.tunnel;
  if (onLink.length > 0) return "none";
  const length = Math.max(...seen.map(({ inner }) => inner.length));
  for (const packet of all.filter(isOnLink)) {
    if (packet.tunnels.length > 0 || next.node?.addresses.includes(packet.inner.destination) !== true) continue;
    const opaque = opaqueTunnel(packet, length);
    if (opaque !== undefined) return opaque;
  }
  return undefined;
}

function opaqueTunnel({ inner }: Sighting, innerLength: number): "wireguard" | "esp" | undefined {
  const { content, length } = inner;
  if (content.protocol === "other" && content.number === ESP && length > innerLength) return "esp";
  if (content.protocol !== "udp" || content.payload.length < 16) return undefined;
  const isData = content.payload.readUInt32BE(0) === WIREGUARD_DATA && length >= innerLength + WIREGUARD_OVERHEAD;
  return isData ? "wireguard" : undefined;
}
