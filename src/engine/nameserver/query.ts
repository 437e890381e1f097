import { answerFrom, type DnsAnswer, type DnsRecord, type Zone } from "./records.ts";
import { decode } from "dns-packet";
import { encodeResponse, type DnsResponse } from "./encode.ts";

const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
const HEADER_BYTES = 12;
const SMALLEST_UDP_BYTES = 512;
/** A longer answer goes over TCP, so that no datagram is fragmented many times. */
const LONGEST_UDP_BYTES = 4096;
const LONGEST_TCP_BYTES = 65_535;

/**
 * Top-level names that the public DNS does not have: reserved (RFC 6761, RFC 6762, the "internal" of ICANN), and what
 * a search list makes of Kubernetes names when it is at its end.
 */
const NOWHERE = new Set([
  "local",
  "localhost",
  "test",
  "invalid",
  "example",
  "internal",
  "onion",
  "svc",
  "pod",
  "cluster",
]);

/** How much of an answer fits, and in which order equal addresses come. */
export interface Transport {
  protocol: "udp" | "tcp";
  random: () => number;
}

/**
 * The reply to one DNS message, or undefined for what deserves none: a response, or too little to hold a header. What
 * cannot be read gets FORMERR. Without a zone the answer is SERVFAIL: this server does not know the cluster yet.
 */
export function replyToQuery(
  message: Buffer,
  zone: Zone | undefined,
  { protocol, random }: Transport,
): Buffer | undefined {
  if (message.length < HEADER_BYTES || (message.readUInt8(2) & 0x80) !== 0) return undefined;
  const base = {
    id: message.readUInt16BE(0),
    opcode: (message.readUInt8(2) >> 3) & 0xf,
    recursionDesired: (message.readUInt8(2) & 1) !== 0,
  };
  const failed = (rcode: number, question: Uint8Array = new Uint8Array()): Buffer =>
    encodeResponse(
      { ...base, isAuthoritative: false, rcode, question, answers: [], authority: [], additional: [] },
      SMALLEST_UDP_BYTES,
    );
  if (base.opcode !== 0) return failed(RCODES.NOTIMP);
  const read = readQuery(message);
  if (read === undefined) return failed(RCODES.FORMERR);
  const { question, name, type, isInternet, edns } = read;
  const ednsBytes = edns?.payloadBytes;
  if (edns !== undefined && edns.version !== 0) {
    const response = {
      ...base,
      isAuthoritative: false,
      rcode: RCODES.BADVERS,
      question,
      answers: [],
      authority: [],
      additional: [],
    };
    return encodeResponse({ ...response, ednsBytes: edns.payloadBytes }, SMALLEST_UDP_BYTES);
  }
  if (!isInternet || type === "AXFR" || type === "IXFR") return failed(RCODES.REFUSED, question);
  const answer = zone === undefined ? unknownName("SERVFAIL") : (answerFrom(zone, name, type) ?? outside(name));
  const limitBytes =
    protocol === "tcp"
      ? LONGEST_TCP_BYTES
      : Math.min(Math.max(ednsBytes ?? SMALLEST_UDP_BYTES, SMALLEST_UDP_BYTES), LONGEST_UDP_BYTES);
  const response: DnsResponse = {
    ...base,
    isAuthoritative: answer.isAuthoritative,
    rcode: RCODES[answer.rcode],
    question,
    answers: shuffled(answer.answers, random),
    authority: answer.authority,
    additional: answer.additional,
    ...(ednsBytes === undefined ? {} : { ednsBytes: Math.max(ednsBytes, SMALLEST_UDP_BYTES) }),
  };
  return encodeResponse(response, limitBytes);
}

interface Query {
  question: Uint8Array;
  name: string;
  type: string;
  isInternet: boolean;
  edns: { payloadBytes: number; version: number } | undefined;
}

/** Exactly one question, and records that can be parsed; anything else is no query. */
function readQuery(message: Buffer): Query | undefined {
  if (message.readUInt16BE(4) !== 1) return undefined;
  const end = endOfName(message, HEADER_BYTES);
  if (end === undefined || end + 4 > message.length) return undefined;
  try {
    const { questions, additionals } = decode(message);
    const [question] = questions ?? [];
    if (question === undefined) return undefined;
    const opts = (additionals ?? []).filter((record) => record.type === "OPT");
    // RFC 6891 6.1.1.
    if (opts.length > 1) return undefined;
    return {
      question: message.subarray(HEADER_BYTES, end + 4),
      name: nameAt(message, HEADER_BYTES),
      type: question.type,
      isInternet: message.readUInt16BE(end + 2) === 1,
      edns: opts.map(({ udpPayloadSize, ednsVersion }) => ({ payloadBytes: udpPayloadSize, version: ednsVersion }))[0],
    };
  } catch {
    // dns-packet throws for every kind of damage; the sender learns of it by FORMERR.
    return undefined;
  }
}

/**
 * The name of a checked question, a character a byte. A dot inside a label is written "\\046" (RFC 1035 5.1), or the label
 * would be taken for two; dns-packet's own text loses both that and bytes that are no UTF-8.
 */
function nameAt(message: Buffer, start: number): string {
  const labels: string[] = [];
  for (let offset = start, length = message[offset] ?? 0; length > 0; length = message[offset] ?? 0) {
    labels.push(message.toString("latin1", offset + 1, offset + 1 + length).replaceAll(".", "\\046"));
    offset += 1 + length;
  }
  return labels.join(".");
}

/** Where a name without compression ends; a question has nothing before it to point to. */
function endOfName(message: Buffer, start: number): number | undefined {
  let offset = start;
  while (offset < message.length && offset - start < 255) {
    const length = message[offset] ?? 0;
    if (length === 0) return offset + 1;
    if (length > 63) return undefined;
    offset += length + 1;
  }
  return undefined;
}

/** The world outside: a lab has no upstream. Names that cannot exist there do not exist; of the others nothing is known. */
function outside(name: string): DnsAnswer {
  const labels = name.toLowerCase().split(".");
  return unknownName(labels.length === 1 || NOWHERE.has(labels.at(-1) ?? "") ? "NXDOMAIN" : "SERVFAIL");
}

function unknownName(rcode: "NXDOMAIN" | "SERVFAIL"): DnsAnswer {
  return { rcode, isAuthoritative: false, answers: [], authority: [], additional: [] };
}

/** CoreDNS's loadbalance: addresses in random order, behind the aliases that lead to them. */
function shuffled(records: readonly DnsRecord[], random: () => number): DnsRecord[] {
  const isAddress = ({ type }: DnsRecord): boolean => type === "A" || type === "AAAA";
  const addresses = records.filter(isAddress);
  for (let index = addresses.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    const [left, right] = [addresses[index], addresses[other]];
    if (left !== undefined && right !== undefined) [addresses[index], addresses[other]] = [right, left];
  }
  return [...records.filter((record) => !isAddress(record)), ...addresses];
}
