import { randomBytes } from "node:crypto";
import * as z from "zod";
import { LabError } from "../core/errors.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import type { CapturedPacket } from "../kernel/packet-reader.ts";
import type { Pod } from "../kube/types.ts";
import { findObject } from "../kube/workloads.ts";
import { endpointField, familyField, portField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { ResolvedSource } from "../providers/source.ts";
import type { Source } from "../providers/types.ts";
import { whileCapturing } from "./captured.ts";
import { curlFailure } from "./curl-output.ts";
import { placeName } from "../providers/source.ts";
import { capturePlaces, flowEnds, linksOfNodes } from "./flow-places.ts";
import { resolveNamedTarget } from "./named-target.ts";
import { cellKey, observation, observed } from "./observe.ts";
import { readLayers } from "./packet-layers.ts";
import { packetText } from "./path-measure.ts";
import { pingTarget } from "./ping-run.ts";
import { flowTo, probeSource } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { runTool } from "./tool.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext } from "./types.ts";

const MARKER_BYTES = 16;
const PINGS = 3;
const HTTP_SECONDS = 5;
/** Sightings that are told one by one. */
const MOST_TOLD = 4;

const plaintextOptions = z.strictObject({
  from: endpointField().optional().describe("Who sends; may stand beside the kind's key instead"),
  to: endpointField().describe(
    "Who receives, on another node: pod, workload, Service, node/NAME, external, address or name",
  ),
  port: portField()
    .optional()
    .describe("Of an HTTP server there: the bytes go in a request; default: in echo requests"),
  family: familyField(),
});

type PlaintextOptions = z.output<typeof plaintextOptions>;

const plaintextExpect = z.strictObject({
  visible: z.boolean().optional().describe("Whether the bytes are seen on a link between nodes"),
});

/** Whether what pods say is seen on the nodes' links; docs/probes/plaintext.md. */
export const plaintext = defineProbe<PlaintextOptions>({
  kind: "plaintext",
  summary: "looks for known bytes of a flow on the links between nodes",
  options: plaintextOptions,
  expect: plaintextExpect,
  tools: ["tcpdump", "ping", "curl"],
  exclusive: "links",
  references: ({ from, to }) => (from === undefined ? [to] : [from, to]),
  run: async ({ to, port, family, ...options }, ref, context) => {
    const protocol = port === undefined ? "icmp" : "tcp";
    const shown = port === undefined ? {} : ({ port, protocol: "tcp" } as const);
    const key = cellKey(ref ?? options.from, formatEndpointRef(to), shown);
    return observed(key, context.signal, async () => {
      const from = probeSource(ref ?? options.from, context);
      const aim = { ...(port === undefined ? {} : { port }), protocol, family } as const;
      const named = await resolveNamedTarget(to, aim, from, context);
      if ("failed" in named) return [{ key, ...named.failed }];
      const { target, evidence } = named;
      const seen = await look(target, port, from, context);
      const all = { ...seen, evidence: [...evidence, ...seen.evidence] };
      return [{ key, flow: flowTo(target, aim, from), destination: target.identity, observation: all }];
    });
  },
  compare: (measured, expected) => {
    const { visible } = expected as z.output<typeof plaintextExpect>;
    if (visible === undefined || visible === measured["visible"]) return undefined;
    return `expected the bytes to be ${visible ? "visible" : "hidden"} on the links between nodes, observed them ${visible ? "hidden" : "visible"}`;
  },
});

/** A packet on a node's link. */
interface OnLink {
  node: string;
  packet: CapturedPacket;
}

/**
 * Sends bytes that nothing else sends, and looks for them on every node's links. Two controls: the receiver's own capture has them, and its source's
 * node is seen to have sent something as long meanwhile. Without either nothing is concluded.
 */
async function look(
  target: ResolvedTarget & { address: string },
  port: number | undefined,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<Observation> {
  const aim = { ...(port === undefined ? {} : { port }), protocol: port === undefined ? "icmp" : "tcp" } as const;
  const ends = flowEnds(target, aim, context);
  const places = capturePlaces(from, ends, context);
  const marker = randomBytes(MARKER_BYTES).toString("hex");
  // In a request's header the digits themselves are what is sent.
  const wanted = port === undefined ? marker : Buffer.from(marker).toString("hex");
  const { result, packets } = await whileCapturing(context.cluster, places, "ip or ip6", () =>
    port === undefined
      ? pingTarget({ count: PINGS, pattern: marker }, target, [], from, context)
      : request(target, port, marker, from, context),
  );
  const has = ({ hex }: CapturedPacket): boolean => hex.includes(wanted);
  const seenAt = new Map(places.map(({ name }, index) => [name, packets[index] ?? []]));
  const receiver = ends.find(({ source }) =>
    seenAt.get(placeName(source))?.some((packet) => packet.isIn && has(packet)),
  );
  if (receiver === undefined) {
    throw new LabError("PLAINTEXT_NOT_RECEIVED", `the bytes did not arrive at ${target.identity}: ${result.reason}`, {
      hint: "whether they were visible on the way cannot be said of bytes that did not go it",
    });
  }
  const [here, there] = [nodeOf(from.source, context), nodeOf(receiver.source, context)];
  if (here !== undefined && here === there) {
    throw new LabError("PLAINTEXT_SAME_NODE", `both ends are on ${here}: their packets pass no link between nodes`, {
      hint: "aim at a pod of another node",
    });
  }
  const onLinks = [...(await linksOfNodes(context))].flatMap(([node, { names }]) =>
    (seenAt.get(`node/${node}`) ?? []).flatMap((packet) =>
      names.includes(packet.interface) ? [{ node, packet }] : [],
    ),
  );
  const visible = onLinks.filter(({ packet }) => has(packet));
  const needed = here ?? there;
  const enough = onLinks.filter(({ node, packet }) => node === needed && packet.hex.length > wanted.length);
  if (enough.length === 0) {
    throw new LabError(
      "PLAINTEXT_NOTHING_SEEN",
      `the bytes arrived, and the links of ${needed ?? "the nodes"} showed no packet at all`,
    );
  }
  const told = [...new Set(visible.map(lineOf))];
  const reason =
    visible.length === 0
      ? `hidden: received by ${placeName(receiver.source)}, and in none of ${onLinks.length} packets on links between nodes`
      : `visible on the links of ${[...new Set(visible.map(({ node }) => node))].join(", ")}`;
  const evidence = [
    ...told.slice(0, MOST_TOLD),
    ...(visible.length === 0 ? [...new Set(enough.map(lineOf))].slice(0, MOST_TOLD) : []),
  ];
  return {
    ...result,
    reason,
    measured: { visible: visible.length > 0, linkPackets: onLinks.length },
    evidence: [...evidence.map((text): Evidence => ({ kind: "capture", text })), ...result.evidence],
  };
}

function lineOf({ node, packet }: OnLink): string {
  const layers = readLayers(Buffer.from(packet.hex, "hex"));
  const way = packet.isIn ? "in at" : "out at";
  return `${node}: ${way} ${packet.interface}: ${layers === undefined ? "no IP packet" : packetText(layers)}`;
}

/** The node that a place is on; undefined for the host outside the cluster. */
function nodeOf(source: Source, { objects }: ProbeContext): string | undefined {
  if (source.kind === "external") return undefined;
  if (source.kind === "node") return source.name;
  return (findObject(objects, "Pod", source.namespace, source.name) as Pod | undefined)?.spec.nodeName;
}

/** An HTTP request that carries the bytes; whatever is answered. */
async function request(
  target: ResolvedTarget & { address: string },
  port: number,
  marker: string,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<Observation> {
  const host = target.address.includes(":") ? `[${target.address}]` : target.address;
  const argv = ["curl", "-sS", "-v", "-o", "/dev/null", "--max-time", String(HTTP_SECONDS)];
  argv.push("-H", `X-Cnilab-Marker: ${marker}`, `http://${host}:${port}/`);
  const { result, evidence } = await runTool(context, from, argv, { timeoutMs: HTTP_SECONDS * 1000 + 5000 });
  const failure = curlFailure(result.exitCode ?? -1, result.stderr);
  const rest = { latencyMs: result.durationMs, evidence: [evidence] };
  if (failure === undefined) return observation("allowed", "answered", rest);
  return observation(failure.kind === "silent" ? "dropped" : "rejected", failure.text, rest);
}
