import * as z from "zod";
import { meetsBound } from "../core/bound.ts";
import { LabError } from "../core/errors.ts";
import { isIp } from "../core/ip.ts";
import type { Bound, Evidence, Observation } from "../grade/types.ts";
import type { EchoReply } from "../kernel/echo.ts";
import { boundField, endpointField, familyField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { boundDifference } from "./figures.ts";
import { SMALLEST, searchLargest } from "./mtu-search.ts";
import { resolveNamedTarget } from "./named-target.ts";
import { cellKey, observation, observed } from "./observe.ts";
import { flowTo, probeSource } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext } from "./types.ts";

const ICMP = { protocol: "icmp" } as const;
/** Of one size, so that a lost packet is not taken for one that is too long. */
const TRIES = 3;
const ADDRESSES_TIMEOUT_MS = 5000;
/** No Ethernet of a lab takes more. */
const DEFAULT_UP_TO = 9216;

const mtuOptions = z.strictObject({
  from: endpointField().optional().describe("Who sends; may stand beside the kind's key instead"),
  to: endpointField().describe("Pod, workload, node/NAME, external, IP address or name"),
  upTo: z
    .int()
    .min(SMALLEST + 1)
    .max(65_535)
    .default(DEFAULT_UP_TO)
    .describe("Bytes of the longest packet that is tried, its headers included"),
  family: familyField(),
});

type MtuOptions = z.output<typeof mtuOptions>;

const mtuExpect = z.strictObject({
  largest: boundField("count").optional().describe("Bytes of the longest packet that passes, such as 1450 or >= 1400"),
  refusedBy: z
    .string()
    .refine(
      (text) => text === "source" || text === "nobody" || isIp(text) || /^node\/[a-z0-9.-]+$/.test(text),
      "write source, nobody, node/NAME or an IP address",
    )
    .optional()
    .describe("Who says that a longer one is too long: source (its own link), node/NAME, an address, or nobody"),
});

interface MtuMeasured {
  largest: number;
  upTo: number;
  /** Absent where all sizes passed. */
  refusedBy?: string;
  /** From which the refusal came, where it came from elsewhere. */
  refusedFrom?: string;
  /** That the refusal names. */
  mtu?: number;
}

/** The longest packet that passes; docs/probes/mtu.md. */
export const mtu = defineProbe<MtuOptions>({
  kind: "mtu",
  summary: "finds the longest packet that passes, and who refuses the rest",
  options: mtuOptions,
  expect: mtuExpect,
  tools: ["ip"],
  references: ({ from, to }) => (from === undefined ? [to] : [from, to]),
  run: async (options, ref, context) => {
    const key = cellKey(ref ?? options.from, formatEndpointRef(options.to));
    return observed(key, context.signal, async () => {
      const from = probeSource(ref ?? options.from, context);
      const aim = { ...ICMP, family: options.family ?? "ipv4" };
      const named = await resolveNamedTarget(options.to, aim, from, context);
      if ("failed" in named) return [{ key, ...named.failed }];
      const { target, evidence } = named;
      const seen = await measure(target, options.upTo, from, context);
      return [
        {
          key,
          flow: flowTo(target, aim, from),
          destination: target.identity,
          observation: { ...seen, evidence: [...evidence, ...seen.evidence] },
        },
      ];
    });
  },
  compare: (given, expected) => {
    const measured = given as unknown as MtuMeasured;
    const { largest, refusedBy } = expected as { largest?: Bound; refusedBy?: string };
    if (largest !== undefined && !meetsBound(measured.largest, largest)) {
      return boundDifference("the longest packet", largest, `${measured.largest} bytes`);
    }
    if (refusedBy === undefined || refusedBy === measured.refusedBy || refusedBy === measured.refusedFrom)
      return undefined;
    const seen = measured.refusedBy === undefined ? `no refusal up to ${measured.upTo} bytes` : whose(measured);
    return `expected a longer packet to be refused by ${refusedBy}, observed ${seen}`;
  },
});

async function measure(
  target: ResolvedTarget & { address: string },
  upTo: number,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<Observation> {
  const { cluster, deadlineMs, signal } = context;
  const { address } = target;
  const send = (sizes: number[]): Promise<EchoReply[]> => {
    if (cluster.echo === undefined)
      throw new LabError("MTU_NO_ECHO", "this cluster cannot send packets of a given size");
    return cluster.echo(from.source, { address, sizes, tries: TRIES, deadlineMs }, signal);
  };
  const startedAt = performance.now();
  const found = await searchLargest(send, upTo);
  const latencyMs = performance.now() - startedAt;
  if ("none" in found) return withoutPath(found.none, latencyMs);
  const { largest, next, tried } = found;
  const measured: MtuMeasured = { largest, upTo, ...(next === undefined ? {} : await refusalOf(next, context)) };
  const rest = next === undefined ? "the longest that was tried" : `a longer one: ${whose(measured)}`;
  const evidence: Evidence[] = [
    { kind: "note", text: `packets that must not be fragmented, to ${address}: ${tried.map(replyText).join("; ")}` },
  ];
  return observation("allowed", `packets of ${largest} bytes pass; ${rest}`, {
    latencyMs,
    measured: { ...measured },
    evidence,
  });
}

/** The shortest packet already tells that nothing passes: that is no matter of its length. */
function withoutPath({ outcome, by, detail }: EchoReply, latencyMs: number): Observation {
  const size = `a packet of ${SMALLEST} bytes`;
  if (outcome === "silent") return observation("dropped", `no answer even to ${size}`, { latencyMs });
  const who = by === undefined ? "" : ` from ${by}`;
  return observation("rejected", `even ${size} is refused: ${detail ?? "too long"}${who}`, { latencyMs });
}

async function refusalOf(
  { outcome, by, mtu: named, detail }: EchoReply,
  context: ProbeContext,
): Promise<Pick<MtuMeasured, "refusedBy" | "refusedFrom" | "mtu">> {
  if (outcome === "silent") return { refusedBy: "nobody" };
  if (outcome === "unreachable") {
    throw new LabError(
      "MTU_UNCLEAR",
      `longer packets are refused for another reason than their length: ${detail ?? "none given"}`,
      {
        hint: "run it again; a path that changes meanwhile looks like this",
      },
    );
  }
  if (by === undefined) return { refusedBy: "source" };
  const node = await holderOf(by, context);
  return { refusedBy: node ?? by, refusedFrom: by, ...(named === undefined ? {} : { mtu: named }) };
}

/** The node that has an address on any of its interfaces; undefined where none has. */
async function holderOf(address: string, { cluster, plan, signal }: ProbeContext): Promise<string | undefined> {
  for (const { name } of plan.topology.nodes) {
    const argv = ["ip", "-o", "addr", "show"];
    const { stdout } = await cluster.exec({ kind: "node", name }, argv, { timeoutMs: ADDRESSES_TIMEOUT_MS, signal });
    const own = [...stdout.matchAll(/ inet6? ([0-9a-f.:]+)\//g)].map(([, text]) => text);
    if (own.includes(address)) return `node/${name}`;
  }
  return undefined;
}

function whose({ refusedBy, refusedFrom, mtu: named }: MtuMeasured): string {
  if (refusedBy === "nobody") return "no answer from anybody (a black hole)";
  if (refusedBy === "source") return "refused by the source's own link";
  const from = refusedFrom === undefined || refusedFrom === refusedBy ? "" : ` (${refusedFrom})`;
  return `refused by ${refusedBy}${from}${named === undefined ? "" : `, which names an MTU of ${named}`}`;
}

function replyText({ size, outcome, by }: EchoReply): string {
  return `${size} ${outcome}${by === undefined ? "" : ` (${by})`}`;
}
