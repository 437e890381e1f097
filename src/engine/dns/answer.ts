import type { Random } from "../seeded-random.ts";
import { readQuery, type Query } from "./query.ts";
import { lookup, type RecordKind, type ZoneRecord } from "./records.ts";
import { encodeReply, type Reply } from "./reply.ts";
import { RCODE } from "./wire.ts";
import type { ZoneSnapshot } from "./zone.ts";

/** How a query came; `random` orders the addresses of an answer. */
export interface AnswerContext {
  transport: "udp" | "tcp";
  random: Random;
}

const CLASS_IN = 1;
const KINDS = new Map<number, RecordKind>([
  [1, "A"],
  [2, "NS"],
  [5, "CNAME"],
  [6, "SOA"],
  [12, "PTR"],
  [16, "TXT"],
  [28, "AAAA"],
  [33, "SRV"],
]);
/** RFC 1035 4.2.1. */
const PLAIN_UDP_BYTES = 512;
/** What an IPv4 datagram holds; a larger EDNS size cannot be used. */
const MAX_UDP_BYTES = 65_507;
const MAX_TCP_BYTES = 65_535;

/** The response to a packet; undefined where none may be sent (a response, or too short to have a header). Never throws. */
export function answerQuery(zone: ZoneSnapshot, packet: Buffer, context: AnswerContext): Buffer | undefined {
  const read = readQuery(packet);
  if (read.kind === "ignore") return undefined;
  if (read.kind === "reject") return read.header;
  return encodeReply(read.query, replyTo(zone, read.query, context.random), limitBytes(read.query, context.transport));
}

function replyTo(zone: ZoneSnapshot, query: Query, random: Random): Reply {
  if (query.edns !== undefined && query.edns.version !== 0) return failure(RCODE.BADVERS);
  if (query.class !== CLASS_IN) return failure(RCODE.REFUSED);
  const result = lookup(zone, query.labels, KINDS.get(query.type) ?? "OTHER");
  return {
    ...result,
    rcode: RCODE[result.rcode],
    answers: shuffleAddresses(result.answers, random),
    additionals: shuffleAddresses(result.additionals, random),
  };
}

function failure(rcode: number): Reply {
  return { rcode, isAuthoritative: false, answers: [], authorities: [], additionals: [] };
}

function limitBytes(query: Query, transport: "udp" | "tcp"): number {
  if (transport === "tcp") return MAX_TCP_BYTES;
  return Math.min(MAX_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, query.edns?.payloadBytes ?? 0));
}

/** CoreDNS's loadbalance: addresses in random order, after everything else. */
function shuffleAddresses(records: readonly ZoneRecord[], random: Random): ZoneRecord[] {
  const isAddress = ({ type }: ZoneRecord): boolean => type === "A" || type === "AAAA";
  const addresses = records.filter(isAddress);
  for (let last = addresses.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [addresses[last], addresses[other]] = [addresses[other] as ZoneRecord, addresses[last] as ZoneRecord];
  }
  return [...records.filter((record) => !isAddress(record)), ...addresses];
}
