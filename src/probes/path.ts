import { randomBytes } from "node:crypto";
import * as z from "zod";
import { LabError } from "../core/errors.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import { boundField, endpointField, familyField, portField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { whileCapturing } from "./captured.ts";
import { probeControls } from "./controls.ts";
import { placeName } from "../providers/source.ts";
import { capturePlaces, flowEnds, linksOfNodes } from "./flow-places.ts";
import type { FlowAim, FlowEnd } from "./flow-places.ts";
import { resolveNamedTarget } from "./named-target.ts";
import { cellKey, observed } from "./observe.ts";
import { comparePath, measurePath, pathLines, pathText } from "./path-measure.ts";
import type { PathExpect } from "./path-measure.ts";
import { ENCAPSULATIONS, tracePath } from "./path-trace.ts";
import type { FlowMark, PathStep, Vantage } from "./path-trace.ts";
import { pingTarget } from "./ping-run.ts";
import { flowTo, probeSource } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { observeSweepCell } from "./sweep-observation.ts";
import { sweep } from "./sweep.ts";
import { toolEvidence } from "./tool.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

/** One may be lost. */
const PINGS = 3;
const ROUTE_TIMEOUT_MS = 5000;

const pathOptions = z
  .strictObject({
    from: endpointField().optional().describe("Where the flow starts; may stand beside the kind's key instead"),
    to: endpointField().describe("Pod, workload, Service, node/NAME, external, IP address or name"),
    port: portField().optional().describe("Of tcp and udp; of the Service, where `to` is one"),
    protocol: z.enum(["tcp", "udp", "icmp"]).optional().describe("Default tcp with a port, else icmp"),
    family: familyField(),
  })
  .superRefine(({ port, protocol }, issues) => {
    if ((protocol ?? (port === undefined ? "icmp" : "tcp")) === "icmp" ? port === undefined : port !== undefined)
      return;
    issues.addIssue({
      code: "custom",
      message: port === undefined ? `path over ${protocol} needs a port` : "ICMP has no ports",
      params: { code: "PATH_BAD_PORT", hint: "give port: with tcp and udp, and none with icmp" },
    });
  });

type PathOptions = z.output<typeof pathOptions>;

const pathExpect = z.strictObject({
  hops: boundField("count").optional().describe("Routers passed: what was taken from the TTL on the way"),
  encapsulation: z.enum(ENCAPSULATIONS).optional().describe("On the links between nodes"),
  sourceAddress: z.enum(["kept", "rewritten"]).optional().describe("As the receiver sees it"),
  via: z.array(z.string()).optional().describe("Nodes passed, in their order: exactly these"),
});

/** A flow's way, by captures; docs/probes/path.md. */
export const path = defineProbe<PathOptions>({
  kind: "path",
  summary: "follows one flow by captures: hops, encapsulation, source address, nodes",
  options: pathOptions,
  expect: pathExpect,
  tools: ["tcpdump", "ping", "ip"],
  exclusive: "links",
  references: ({ from, to }) => (from === undefined ? [to] : [from, to]),
  run: async (options, ref, context) => {
    const { to, port, family } = options;
    const protocol = options.protocol ?? (port === undefined ? "icmp" : "tcp");
    const shown = protocol === "icmp" || port === undefined ? {} : { port, protocol };
    const key = cellKey(ref ?? options.from, formatEndpointRef(to), shown);
    return observed(key, context.signal, async () => {
      const from = probeSource(ref ?? options.from, context);
      const aim = { ...(port === undefined ? {} : { port }), protocol, family };
      const named = await resolveNamedTarget(to, aim, from, context);
      if ("failed" in named) return [{ key, ...named.failed }];
      const { target, evidence } = named;
      const seen = await follow(target, aim, from, context);
      const cell: ProbedCell = {
        key,
        flow: flowTo(target, aim, from),
        destination: target.identity,
        observation: { ...seen, evidence: [...evidence, ...seen.evidence] },
      };
      const needsControl = seen.outcome !== "allowed" && aim.protocol !== "icmp" && port !== undefined;
      return [cell, ...(needsControl ? await probeControls(target, port, aim.protocol as "tcp", context) : [])];
    });
  },
  compare: (measured, expected) => comparePath(measured, expected as PathExpect),
});

async function follow(
  target: ResolvedTarget & { address: string },
  aim: FlowAim,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<Observation> {
  const ends = flowEnds(target, aim, context);
  const places = capturePlaces(from, ends, context);
  const payload = randomBytes(16);
  const { result, packets } = await whileCapturing(context.cluster, places, captureFilter(aim, ends), () =>
    tryFlow(target, aim, from, payload, context),
  );
  const links = await linksOfNodes(context);
  const endNames = new Set(ends.map(({ source }) => placeName(source)));
  const vantages = places.map(({ name, source }, index): Vantage => {
    const node = source.kind === "node" ? links.get(source.name) : undefined;
    return {
      name: source.kind === "node" ? source.name : name,
      isEnd: endNames.has(name),
      packets: packets[index] ?? [],
      ...(node === undefined ? {} : { node: { links: node.names, addresses: node.addresses } }),
    };
  });
  const traced = tracePath(vantages, markOf(target, aim, ends, payload));
  if (traced === undefined) {
    if (result.outcome === "error" || result.outcome === "rejected") return result;
    throw new LabError("PATH_NOT_SEEN", `${from.name} sent nothing that its own capture shows`);
  }
  const evidence: Evidence[] = [
    ...pathLines(traced, from.name).map((text): Evidence => ({ kind: "capture", text })),
    ...(await Promise.all(traced.steps.map((step) => routeOf(step, context)))).flat(),
  ];
  const { arrived } = traced;
  if (arrived !== undefined) {
    const measured = measurePath({ ...traced, arrived });
    const answer = result.outcome === "allowed" ? "" : `; ${result.outcome}: ${result.reason}`;
    const reason = `${pathText(measured)}${answer}`;
    return { ...result, reason, measured: { ...measured }, evidence: [...evidence, ...result.evidence] };
  }
  if (result.outcome === "allowed") {
    throw new LabError("PATH_NOT_SEEN", `${target.identity} answered, and no capture shows what it answered`, {
      hint: "something else than the pods of the lab may have answered",
    });
  }
  return { ...result, evidence: [...evidence, ...result.evidence] };
}

/** The flow by its ports, and whatever it may be wrapped in. */
function captureFilter({ port, protocol }: FlowAim, ends: readonly FlowEnd[]): string {
  const ports = [...new Set([port, ...ends.map((end) => end.port)])].filter((each) => each !== undefined);
  const wrapped = "udp or ip proto 4 or ip proto 41 or ip proto 50 or ip6 proto 4 or ip6 proto 41 or ip6 proto 50";
  if (protocol === "icmp") return `icmp or icmp6 or ${wrapped}`;
  return protocol === "udp" ? wrapped : `(tcp and (${ports.map((each) => `port ${each}`).join(" or ")})) or ${wrapped}`;
}

function markOf(
  target: { address: string },
  { port = 0, protocol }: FlowAim,
  ends: readonly FlowEnd[],
  payload: Buffer,
): FlowMark {
  const { address } = target;
  if (protocol === "icmp") return { protocol, payload };
  if (protocol === "tcp") return { protocol, address, port };
  return {
    protocol,
    ends: [{ address, port }, ...ends.map((end) => ({ address: end.address, port: end.port ?? port }))],
  };
}

async function tryFlow(
  target: ResolvedTarget & { address: string },
  { port, protocol }: FlowAim,
  from: ResolvedSource,
  payload: Buffer,
  context: ProbeContext,
): Promise<Observation> {
  if (protocol === "icmp") {
    const pattern = payload.toString("hex");
    return pingTarget({ count: PINGS, pattern }, target, [], from, context);
  }
  const { address } = target;
  const byId = await sweep([{ id: 0, from: from.source, address, port: port ?? 0, protocol }], context);
  const result = byId.get(0);
  if (result === undefined) throw new LabError("PATH_NOT_SEEN", "the flow was never tried");
  return observeSweepCell(result, protocol);
}

/** What a node's tables say of the flow now, as ip-route(8) prints it; a note where it cannot say. */
async function routeOf({ node, routed, exit }: PathStep, { cluster, signal }: ProbeContext): Promise<Evidence[]> {
  const destination = (exit ?? routed)?.inner.destination;
  if (destination === undefined) return [];
  const arrival = routed === undefined ? [] : ["from", routed.inner.source, "iif", routed.at.interface];
  const argv = ["ip", "route", "get", destination, ...arrival];
  try {
    const result = await cluster.exec({ kind: "node", name: node }, argv, { timeoutMs: ROUTE_TIMEOUT_MS, signal });
    return [toolEvidence(result)];
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return [{ kind: "note", text: `${node} could not say its route: ${error.message}` }];
  }
}
