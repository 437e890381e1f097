import * as z from "zod";
import type { Evidence } from "../grade/types.ts";
import { meetsBound } from "../core/bound.ts";
import { isIp } from "../core/ip.ts";
import { LabError } from "../core/errors.ts";
import { addressField, boundField, endpointField } from "../lab/fields.ts";
import { expectedAddresses } from "./dns-addresses.ts";
import { probeControls } from "./controls.ts";
import { boundDifference } from "./figures.ts";
import { answeredAddresses, lookUp } from "./lookup.ts";
import type { Lookup } from "./lookup.ts";
import { cellKey, observed } from "./observe.ts";
import { flowTo, probeSource } from "./resolve.ts";
import { defineProbe } from "./types.ts";
import type { ProbedCell } from "./types.ts";

const DNS_PORT = 53;
const TYPES = ["A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "NS", "SOA"] as const;
/** RFC 1035 names as resolvers take them, `_port._tcp.name` included. */
const NAME = /^(?!-)[A-Za-z0-9_.-]{1,253}$/;

const dnsOptions = z.strictObject({
  from: endpointField().optional().describe("Who asks; may stand beside the kind's key instead"),
  name: z
    .string()
    .refine(
      (name) => isIp(name) || (NAME.test(name) && !name.includes("..")),
      "write a DNS name, or with type PTR an IP address",
    )
    .describe("Looked up through the source's own search path; a dot at its end makes it absolute"),
  type: z.enum(TYPES).optional().describe("Default A; PTR where the name is an IP address"),
  server: addressField().optional().describe("Address of the server; default the source's own resolv.conf"),
  tcp: z.boolean().optional().describe("Ask over TCP"),
});

type DnsOptions = z.output<typeof dnsOptions>;

const texts = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1)]);

const dnsExpect = z.strictObject({
  address: texts
    .optional()
    .describe("service/NAME, NAMESPACE/service/NAME, a pod, a workload, or IP addresses: exactly these"),
  rcode: z
    .string()
    .regex(/^[A-Z]+$/, "write it like NOERROR or NXDOMAIN")
    .optional()
    .describe("Reply code"),
  target: texts
    .optional()
    .describe("Names that PTR, CNAME, NS or SRV records point to, or a SOA's primary server: exactly these"),
  text: texts.optional().describe("Texts of TXT records, the strings of each put together: exactly these"),
  port: z.int().min(0).max(65_535).optional().describe("Port of every SRV record"),
  records: z.int().min(0).optional().describe("How many records of the type asked for"),
  time: boundField("time").optional().describe("Time to the reply, such as < 20 ms"),
});

type DnsExpect = z.output<typeof dnsExpect>;

interface DnsMeasured {
  type?: string;
  rcode?: string;
  name?: string;
  addresses?: string[];
  targets?: string[];
  texts?: string[];
  ports?: number[];
  records?: string[];
  timeMs?: number;
  /** Namespace of the source, which `service/NAME` starts from. */
  namespace?: string;
}

/** A lookup with dig(1); docs/probes/dns.md. */
export const dns = defineProbe<DnsOptions>({
  kind: "dns",
  summary: "looks a name up through the source's own resolver configuration",
  options: dnsOptions,
  expect: dnsExpect,
  tools: ["dig"],
  references: ({ from }) => (from === undefined ? [] : [from]),
  run: async (options, ref, context) => {
    const type = options.type ?? (isIp(options.name) ? "PTR" : "A");
    const protocol = options.tcp === true ? "tcp" : "udp";
    const key = cellKey(ref ?? options.from, options.name, { port: DNS_PORT, protocol });
    return observed(key, context.signal, async () => {
      const from = probeSource(ref ?? options.from, context);
      const { name, server, tcp } = options;
      const lookup = await lookUp({ name, type, ...(server && { server }), ...(tcp && { tcp }) }, from, context);
      const cell: ProbedCell = { key, observation: lookup.observation };
      if (lookup.reply !== undefined) {
        const measured: DnsMeasured = {
          ...measure(lookup, type),
          ...(from.namespace && { namespace: from.namespace }),
        };
        cell.observation = { ...lookup.observation, measured: { ...measured } };
      }
      if (lookup.server === undefined) return [cell];
      const aim = { port: DNS_PORT, protocol } as const;
      cell.destination = lookup.server.identity;
      cell.flow = flowTo(lookup.server, aim, from);
      const notes: Evidence[] = lookup.server.notes.map((text) => ({ kind: "note", text }));
      if (cell.observation !== undefined)
        cell.observation = { ...cell.observation, evidence: [...notes, ...cell.observation.evidence] };
      const hasReply = lookup.reply !== undefined;
      return [cell, ...(hasReply ? [] : await probeControls(lookup.server, DNS_PORT, protocol, context))];
    });
  },
  compare: (measured, expected, context) => {
    const seen = measured as DnsMeasured;
    const { address, rcode, target, text, port, records, time } = expected as DnsExpect;
    if (rcode !== undefined && seen.rcode !== rcode) return `expected ${rcode}, observed ${seen.rcode ?? "no reply"}`;
    // Other figures are of records, which only NOERROR has.
    if (rcode === undefined && seen.rcode !== "NOERROR")
      return `expected a record, observed ${seen.rcode ?? "no reply"}`;
    if (address !== undefined) {
      try {
        const wanted = address.flatMap((each) =>
          expectedAddresses(each, seen.namespace, context.objects, seen.type === "AAAA" ? 6 : 4),
        );
        const difference = sameSet("addresses", wanted, seen.addresses ?? [], ` (${address.join(", ")})`);
        if (difference !== undefined) return difference;
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        return `expected ${address.join(", ")}, which cannot be compared: ${error.message}`;
      }
    }
    if (target !== undefined) {
      const difference = sameSet("names", target.map(bareName), seen.targets ?? [], "");
      if (difference !== undefined) return difference;
    }
    if (text !== undefined) {
      const difference = sameSet("texts", text, seen.texts ?? [], "");
      if (difference !== undefined) return difference;
    }
    const ports = seen.ports ?? [];
    if (port !== undefined && (ports.length === 0 || ports.some((each) => each !== port))) {
      return `expected SRV port ${port}, observed ${ports.length === 0 ? "none" : ports.join(", ")}`;
    }
    const found = seen.records?.length ?? 0;
    if (records !== undefined && found !== records) return `expected ${records} records, observed ${found}`;
    if (time !== undefined && (seen.timeMs === undefined || !meetsBound(seen.timeMs, time))) {
      return boundDifference("time to reply", time, seen.timeMs === undefined ? undefined : `${seen.timeMs} ms`);
    }
    return undefined;
  },
});

function measure({ reply, observation }: Lookup, type: string): DnsMeasured {
  if (reply === undefined) return {};
  const own = reply.answers.filter((record) => record.type === type);
  const targets = own.flatMap(({ data }) => targetOf(type, data) ?? []);
  return {
    type,
    rcode: reply.rcode,
    ...(reply.question === undefined ? {} : { name: bareName(reply.question) }),
    addresses: answeredAddresses(reply),
    targets: targets.map(bareName),
    ...(type === "TXT" ? { texts: own.map(({ data }) => textOf(data)) } : {}),
    ports: type === "SRV" ? own.map(({ data }) => Number(data.split(/\s+/)[2])) : [],
    records: own.map(({ data }) => data),
    ...(observation.latencyMs === undefined ? {} : { timeMs: observation.latencyMs }),
  };
}

function targetOf(type: string, data: string): string | undefined {
  switch (type) {
    case "PTR":
    case "CNAME":
    case "NS":
      return data;
    case "SRV":
      return data.split(/\s+/)[3];
    case "SOA":
      return data.split(/\s+/)[0];
    default:
      return undefined;
  }
}

/** The strings of a TXT record (RFC 1035 5.1: quoted, with \DDD and \X) one after another, as who reads the record takes them. */
function textOf(data: string): string {
  return [...data.matchAll(/"((?:[^"\\]|\\.)*)"/g)]
    .map(([, quoted = ""]) =>
      quoted.replaceAll(/\\(\d{3}|.)/g, (_, escaped: string) =>
        escaped.length === 3 ? String.fromCharCode(Number(escaped)) : escaped,
      ),
    )
    .join("");
}

function bareName(name: string): string {
  return name.replace(/\.$/, "").toLowerCase();
}

function sameSet(what: string, wanted: readonly string[], seen: readonly string[], whose: string): string | undefined {
  const [a, b] = [wanted, seen].map((list) => [...new Set(list)].toSorted().join(", "));
  return a === b ? undefined : `expected ${what} ${a || "none"}${whose}, observed ${b || "none"}`;
}
