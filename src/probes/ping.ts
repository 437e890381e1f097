import * as z from "zod";
import { meetsBound } from "../core/bound.ts";
import { boundField, endpointField, familyField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import { boundDifference } from "./figures.ts";
import { resolveNamedTarget } from "./named-target.ts";
import { cellKey, observed } from "./observe.ts";
import { pingTarget } from "./ping-run.ts";
import { flowTo, probeSource } from "./resolve.ts";
import { defineProbe } from "./types.ts";

const ICMP = { protocol: "icmp" } as const;

const pingOptions = z.strictObject({
  from: endpointField().optional().describe("Who pings; may stand beside the kind's key instead"),
  to: endpointField().describe("Pod, workload, Service, node/NAME, external, IP address or name"),
  count: z.int().min(1).max(1000).default(3).describe("Echo requests, 10 ms apart"),
  size: z
    .int()
    .min(0)
    .max(65_507)
    .optional()
    .describe("Bytes of payload; the packet is 28 bytes longer on IPv4, 48 on IPv6"),
  dontFragment: z.boolean().optional().describe("Set DF, so that a packet over the path's MTU is refused"),
  family: familyField(),
});

type PingOptions = z.output<typeof pingOptions>;

const pingExpect = z.strictObject({
  loss: boundField("share").optional().describe("Share of requests without a reply, such as <= 5 %"),
  rtt: boundField("time").optional().describe("Average round-trip time, such as < 20 ms"),
  p50: boundField("time").optional().describe("Median round-trip time"),
  p95: boundField("time").optional().describe("Round-trip time that 95 % of the replies did not exceed"),
  p99: boundField("time").optional().describe("The same of 99 %"),
  mtu: z.int().optional().describe("MTU that the refusal of a too long packet names"),
});

/** Bounds on times, and the fields of `measured` that they are of. */
const TIMES = [
  { name: "rtt", field: "rttAvgMs", what: "round-trip time" },
  { name: "p50", field: "rttP50Ms", what: "median round-trip time" },
  { name: "p95", field: "rttP95Ms", what: "round-trip time of 95 %" },
  { name: "p99", field: "rttP99Ms", what: "round-trip time of 99 %" },
] as const;

/** ICMP echo with ping(8); docs/probes/ping.md. */
export const ping = defineProbe<PingOptions>({
  kind: "ping",
  summary: "sends ICMP echo requests",
  options: pingOptions,
  expect: pingExpect,
  tools: ["ping"],
  references: ({ from, to }) => (from === undefined ? [to] : [from, to]),
  run: async (options, ref, context) => {
    const key = cellKey(ref ?? options.from, formatEndpointRef(options.to));
    return observed(key, context.signal, async () => {
      const from = probeSource(ref ?? options.from, context);
      const aim = { ...ICMP, family: options.family };
      const named = await resolveNamedTarget(options.to, aim, from, context);
      if ("failed" in named) return [{ key, ...named.failed }];
      const { target, evidence } = named;
      const seen = await pingTarget(options, target, evidence, from, context);
      return [{ key, flow: flowTo(target, ICMP, from), destination: target.identity, observation: seen }];
    });
  },
  compare: (measured, expected) => {
    const figures = measured as Record<string, number | undefined>;
    const { loss, mtu, ...times } = expected as z.output<typeof pingExpect>;
    const seenLoss = figures["loss"];
    if (loss !== undefined && (seenLoss === undefined || !meetsBound(seenLoss, loss))) {
      return boundDifference("loss", loss, seenLoss === undefined ? undefined : `${round(seenLoss * 100)} %`);
    }
    for (const { name, field, what } of TIMES) {
      const bound = times[name];
      const seen = figures[field];
      if (bound !== undefined && (seen === undefined || !meetsBound(seen, bound)))
        return boundDifference(what, bound, seen === undefined ? undefined : `${seen} ms`);
    }
    if (mtu !== undefined && figures["mtu"] !== mtu)
      return `expected MTU ${mtu}, observed ${figures["mtu"] ?? "none named"}`;
    return undefined;
  },
});

function round(figure: number): number {
  return Math.round(figure * 100) / 100;
}
