import type { Flow } from "../../types.ts";
import type { Captured } from "./capture.ts";
import type { Packet } from "./packet.ts";

/** A place on a flow's way, in its order: the source, its node, the destination's node, the destination. */
export interface Point {
  name: string;
  isNode: boolean;
  captured: Captured;
}

/** What is known of a flow before it is traced. */
export interface FlowEnds {
  protocol: Flow["protocol"];
  /** The address that was tried, and those that it may be translated to. */
  destinations: ReadonlySet<string>;
  /** The port that was tried, and those that it may be translated to. */
  ports: ReadonlySet<number>;
  /** A masqueraded packet has one of these. */
  nodeAddresses: ReadonlySet<string>;
}

/** One flow's packets among all that were captured. */
export interface Trace {
  isForward(packet: Packet): boolean;
  isReply(packet: Packet): boolean;
  /** Address and port that the source used; undefined where nothing was seen of it. */
  source: { address: string; port?: number } | undefined;
}

const SEQUENCE_SPACE = 2 ** 32;

/** Recognises the flow everywhere by what its source sends: TCP by sequence numbers, the rest by its end or its node's. */
export function traceOf(first: Point | undefined, ends: FlowEnds): Trace {
  const sent = first !== undefined && "packets" in first.captured ? first.captured.packets : [];
  const toDestination = (packet: Packet): boolean =>
    ends.destinations.has(packet.destination) &&
    (ends.ports.size === 0 || ends.ports.has(packet.destinationPort ?? -1)) &&
    (ends.protocol === "tcp" ? packet.what === "SYN" : packet.what !== "echo reply");
  const passing = new Set(sent.filter(({ isIn }) => isIn).map(identity));
  // A node forwards for its pods, too; a pod has nobody else's packets.
  const own = sent.filter((packet) => toDestination(packet) && !packet.isIn && !passing.has(identity(packet)));
  const sequences = new Set(own.flatMap(({ sequence }) => sequence ?? []));
  const [start] = own;
  const isSource = (address: string, port: number | undefined): boolean =>
    ends.nodeAddresses.has(address) ||
    own.some(({ source, sourcePort }) => source === address && (sourcePort === port || port === undefined));
  const isReply = (packet: Packet): boolean => {
    if (packet.what.startsWith("ICMP")) return [...ends.destinations].some((address) => names(packet.what, address));
    if (ends.protocol === "tcp")
      return sequences.has(((packet.acknowledged ?? 0) + SEQUENCE_SPACE - 1) % SEQUENCE_SPACE);
    return ends.destinations.has(packet.source) && isSource(packet.destination, packet.destinationPort);
  };
  return {
    isForward: (packet) =>
      toDestination(packet) &&
      (ends.protocol === "tcp" ? sequences.has(packet.sequence ?? -1) : isSource(packet.source, packet.sourcePort)),
    isReply: (packet) => own.length > 0 && packet.what !== "SYN" && packet.what !== "segment" && isReply(packet),
    source:
      start === undefined
        ? undefined
        : { address: start.source, ...(start.sourcePort === undefined ? {} : { port: start.sourcePort }) },
  };
}

function identity({ source, sourcePort, sequence, echoId }: Packet): string {
  return `${source} ${sourcePort} ${sequence} ${echoId}`;
}

function names(text: string, address: string): boolean {
  return text.split(/[\s,]+/).includes(address);
}

/**
 * How far the flow comes, node by node, and who answers it: a line each, those of nodes indented. Where a capture is
 * missing, what is there is left open.
 */
export function describePath(points: readonly Point[], trace: Trace, protocol: Flow["protocol"]): string[] {
  const what = { tcp: "SYN", udp: "datagram", icmp: "echo request" }[protocol];
  const seen = points.flatMap((point) => ("packets" in point.captured ? [{ ...point, ...point.captured }] : []));
  const missing = points.flatMap(({ name, captured }) =>
    "reason" in captured ? [`no capture at ${name}: ${captured.reason}`] : [],
  );
  const [first, ...others] = seen;
  // Only what the source's own capture shows tells this flow from others.
  if (first === undefined || first.name !== points[0]?.name) return missing;
  if (trace.source === undefined) return [`no ${what} is seen to leave ${first.name}`, ...missing];
  const steps: string[] = [];
  let end = "";
  for (const { name, isNode, packets } of others) {
    const forward = packets.filter(trace.isForward);
    const entry = forward.find(({ isIn }) => isIn);
    const exit = forward.findLast(({ isIn }) => !isIn);
    const isLast = name === points.at(-1)?.name;
    if (isLast) end = entry === undefined ? `, not arriving at ${name}` : `, arriving at ${name}`;
    else if (isNode) steps.push(`  ${stepOf(name, entry, exit)}`);
  }
  return [`${what} seen leaving ${first.name}${end}`, ...untilLost(steps), ...answerOf(seen, trace), ...missing];
}

const NOT_SEEN = "not seen";

function stepOf(name: string, entry: Packet | undefined, exit: Packet | undefined): string {
  if (entry === undefined) return `${NOT_SEEN} on ${name}`;
  return exit === undefined
    ? `taken in by ${name}${via([entry])}, which does not pass it on`
    : `passed on by ${name}${via([entry, exit])}`;
}

/** What is lost on one node is not seen on the next. */
function untilLost(steps: readonly string[]): string[] {
  const lost = steps.findIndex((step) => !step.includes("passed on"));
  return lost < 0 ? [...steps] : steps.slice(0, lost + 1);
}

function answerOf(seen: readonly { name: string; packets: readonly Packet[] }[], trace: Trace): string[] {
  const replies = seen.map(({ name, packets }) => ({ name, replies: packets.filter(trace.isReply) }));
  const answering = replies.findLast((point) => point.replies.length > 0);
  const [answer] = answering?.replies ?? [];
  if (answering === undefined || answer === undefined) return [];
  const last = seen.at(-1)?.name;
  const inPlace = answering.name === last ? "" : ` in place of ${last}`;
  const source = replies[0];
  const arrives = answering === source || source?.replies.some(({ isIn }) => isIn) === true;
  const end = arrives ? `and it arrives at ${source?.name}` : `but it does not arrive at ${source?.name}`;
  return [`${answer.what} seen leaving ${answering.name}${inPlace}, ${end}`];
}

function via(packets: readonly Packet[]): string {
  const devices = [...new Set(packets.flatMap((packet) => packet.interface ?? []))];
  return devices.length === 0 ? "" : ` (${devices.join(" → ")})`;
}
