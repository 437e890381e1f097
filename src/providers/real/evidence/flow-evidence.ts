import { setTimeout as pause } from "node:timers/promises";
import { LabError } from "../../../core/errors.ts";
import type { Evidence } from "../../../grade/types.ts";
import type { Flow } from "../../types.ts";
import { placeName } from "../agents/place-name.ts";
import type { Agents, Place } from "../types.ts";
import { captureCommand, startCapture, type Capture } from "./capture.ts";
import { nodeTexts, readKernel, readRules, type RuleLook } from "./node-look.ts";
import { nodeSummary } from "./node-summary.ts";
import { describePath, traceOf, type FlowEnds, type Point, type Trace } from "./path.ts";
import { destinationsGiven, movedRules, type MovedRule } from "./rules.ts";

/** A flow with its ends found. */
export interface PlacedFlow {
  flow: Flow;
  source: Place;
  /** Where it may arrive; the first few of a Service's pods. */
  targets: readonly FlowTarget[];
  /** Of all nodes: what a masqueraded packet may come from. */
  nodeAddresses: readonly string[];
}

export interface FlowTarget {
  place: Place;
  addresses: readonly string[];
}

/** As probes have it: one SYN retransmit (RFC 6298) and a little. */
const DEADLINE_MS = 1100;
const PING = ["ping", "-n", "-c", "2", "-i", "0.5", "-W", "1"];
/** For tcpdump to print what the source has received already. */
const PRINTED_MS = 500;
const LOOK_AGAIN_MS = 10;
const CAPTURED_LINES = 80;

/** A place that is watched; `capture` is what keeps it from being so where it has no packets. */
interface Watched {
  place: Place;
  capture: Capture | LabError;
}

/**
 * Tries a flow again while tcpdump listens at both ends and on their nodes, and reads the nodes' rules before and after:
 * what became of the packets in a few lines, then all that was read, as details. Rejects where an agent is lost.
 */
export async function flowEvidence(agents: Agents, placed: PlacedFlow): Promise<Evidence[]> {
  const { flow, source, targets } = placed;
  const ways = targets.length === 0 ? [wayOf(source)] : targets.map(({ place }) => wayOf(source, place));
  const filter = filterOf(placed);
  const watched = await Promise.all(byName(ways.flat()).map((place) => watch(agents, place, filter)));
  try {
    const nodes = watched.flatMap(({ place }) => (place.kind === "node" ? [place.node] : []));
    const before = await rulesOf(agents, nodes);
    const tried = await tryAgain(agents, placed);
    const ends = endsOf(placed);
    const pointsOf = (way: readonly Place[]): Point[] =>
      way.flatMap((place) => watched.filter((each) => placeName(each.place) === placeName(place)).map(pointOf));
    const trace = await traced(() => traceOf(pointsOf([source])[0], ends), pointsOf([source])[0], tried.isSilent);
    const now = await rulesOf(agents, nodes);
    const movedOf = new Map(
      [...now].map(([node, { rules }]) => [node, movedRules(before.get(node)?.rules ?? [], rules)]),
    );
    const target = targetOf(placed, watched.map(pointOf), trace, [...movedOf.values()].flat());
    const way = wayOf(source, target?.place);
    const looks = await Promise.all(
      way
        .flatMap((place) => (place.kind === "node" ? [place.node] : []))
        .map(async (node) => {
          const later = now.get(node);
          const moved = movedOf.get(node);
          if (later === undefined || moved === undefined) return { summary: [], details: [] };
          const addresses = addressesOf(placed, target, trace);
          const kernel = await readKernel(addresses, (argv) => agents.nodeTool(node, argv));
          return {
            summary: nodeSummary(node, { kernel, moved, rules: later.rules, source: trace.source }),
            details: nodeTexts(node, kernel, later, moved).map(({ title, text }) =>
              detail("node", `${title}:\n${text}`),
            ),
          };
        }),
    );
    const points = pointsOf(way);
    const lines = [
      `tried again: ${tried.text}`,
      ...describePath(points, trace, flow.protocol),
      ...looks.flatMap(({ summary }) => summary),
    ];
    return [
      { kind: "node", text: lines.join("\n") },
      ...points.map((point) => captureDetail(point, filter)),
      ...looks.flatMap(({ details }) => details),
    ];
  } finally {
    await Promise.all(watched.flatMap(({ capture }) => (capture instanceof LabError ? [] : [capture.stop()])));
  }
}

/** The places that a flow passes, in their order: the source, its node, the target's node, the target. */
function wayOf(source: Place, target?: Place): Place[] {
  const nodeOf = (place: Place | undefined): Place[] =>
    place?.kind === "pod" ? [{ kind: "node", node: place.node }] : [];
  return byName([source, ...nodeOf(source), ...nodeOf(target), ...(target === undefined ? [] : [target])]);
}

function byName(places: readonly Place[]): Place[] {
  return [...new Map(places.map((place) => [placeName(place), place])).values()];
}

async function watch(agents: Agents, place: Place, filter: string): Promise<Watched> {
  try {
    return { place, capture: await startCapture(agents, place, filter) };
  } catch (error) {
    // The other places tell something all the same.
    if (error instanceof LabError) return { place, capture: error };
    throw error;
  }
}

function pointOf({ place, capture }: Watched): Point {
  const captured = capture instanceof LabError ? { reason: capture.message } : { packets: capture.packets() };
  return { name: placeName(place), isNode: place.kind === "node", captured };
}

async function rulesOf(agents: Agents, nodes: readonly string[]): Promise<Map<string, RuleLook>> {
  const looks = nodes.map(async (node) => [node, await readRules((argv) => agents.nodeTool(node, argv))] as const);
  return new Map(await Promise.all(looks));
}

/** By destination alone, since a Service or masquerading gives the source another address; and ICMP errors about it. */
function filterOf({ flow, targets }: PlacedFlow): string {
  const isIpv6 = flow.address.includes(":");
  const hosts = [...destinationsOf(flow, targets)].map((address) => `host ${address}`).join(" or ");
  const ports = [...portsOf(flow)].map((port) => `port ${port}`).join(" or ");
  const echo = isIpv6 ? "icmp6" : "icmp";
  const errors = isIpv6 ? "(icmp6 and ip6[40] < 128)" : "icmp[icmptype] == icmp-unreach";
  const flows = flow.protocol === "icmp" ? echo : `${flow.protocol}${ports === "" ? "" : ` and (${ports})`}`;
  return `((${hosts}) and ${flows}) or ${errors}`;
}

function destinationsOf({ address }: Flow, targets: readonly FlowTarget[]): Set<string> {
  const family = address.includes(":");
  return new Set([
    address,
    ...targets.flatMap(({ addresses }) => addresses.filter((each) => each.includes(":") === family)),
  ]);
}

function portsOf({ port, targetPorts = [] }: Flow): Set<number> {
  return new Set([...(port === undefined ? [] : [port]), ...targetPorts]);
}

function endsOf({ flow, targets, nodeAddresses }: PlacedFlow): FlowEnds {
  return {
    protocol: flow.protocol,
    destinations: destinationsOf(flow, targets),
    ports: portsOf(flow),
    nodeAddresses: new Set(nodeAddresses),
  };
}

async function tryAgain(
  agents: Agents,
  { flow: { address, port, protocol }, source }: PlacedFlow,
): Promise<{ text: string; isSilent: boolean }> {
  if (protocol === "icmp" || port === undefined) {
    const { stdout, exitCode } = await agents.exec(source, [...PING, address], { timeoutMs: 10_000 });
    const counts = /^.*packets transmitted.*$/m.exec(stdout)?.[0] ?? `ping ended with ${exitCode}`;
    return { text: counts, isSilent: exitCode !== 0 };
  }
  const cell = { id: 0, from: source, address, port, protocol };
  const { cells } = await agents.sweep([cell], { deadlineMs: DEADLINE_MS });
  const { outcome = "error", detail: how = "no result", latencyMs = 0 } = cells[0] ?? {};
  const isSilent = outcome === "no-answer" || outcome === "error";
  return { text: `${outcome} (${how}) after ${latencyMs.toFixed(1)} ms`, isSilent };
}

/** Once the source's capture shows what the source itself has seen; captures further on had the packets before it. */
async function traced(trace: () => Trace, first: Point | undefined, isSilent: boolean): Promise<Trace> {
  const startedAt = performance.now();
  for (;;) {
    const now = trace();
    const packets = first !== undefined && "packets" in first.captured ? first.captured.packets : [];
    const isThere = isSilent ? now.source !== undefined : packets.some(now.isReply);
    if (isThere || performance.now() - startedAt > PRINTED_MS) return now;
    await pause(LOOK_AGAIN_MS);
  }
}

/**
 * Where it went: a Service's pod is known by the address that the packets were given, or, where they were dropped before
 * anybody saw them with it, by the rules that gave it and counted. Undefined where neither tells which of several it was.
 */
function targetOf(
  { targets }: PlacedFlow,
  points: readonly Point[],
  { isForward }: Trace,
  moved: readonly MovedRule[],
): FlowTarget | undefined {
  if (targets.length < 2) return targets[0];
  const packets = points.flatMap(({ captured }) => ("packets" in captured ? captured.packets : []));
  const seen = new Set(packets.filter(isForward).map(({ destination }) => destination));
  const given = new Set(destinationsGiven(moved));
  const hasOneOf = (addresses: ReadonlySet<string>): FlowTarget | undefined =>
    targets.find((target) => target.addresses.some((address) => addresses.has(address)));
  return hasOneOf(seen) ?? hasOneOf(given);
}

function addressesOf({ flow }: PlacedFlow, target: FlowTarget | undefined, { source }: Trace): string[] {
  const destinations = destinationsOf(flow, target === undefined ? [] : [target]);
  return [...new Set([...(source === undefined ? [] : [source.address]), ...destinations])];
}

function captureDetail({ name, captured }: Point, filter: string): Evidence {
  const command = captureCommand(filter).join(" ");
  if ("reason" in captured) return detail("capture", `capture at ${name}: ${captured.reason}`);
  const lines = captured.packets.slice(0, CAPTURED_LINES).map(({ line }) => line);
  const more = captured.packets.length - lines.length;
  const rest = more > 0 ? [`[${more} more packets]`] : [];
  return { ...detail("capture", [`capture at ${name}:`, ...lines, ...rest].join("\n")), command };
}

function detail(kind: Evidence["kind"], text: string): Evidence {
  return { kind, text, isDetail: true };
}
