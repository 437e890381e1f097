import { parseIp } from "../../core/ip.ts";
import type { DnsRecord } from "./records.ts";

/** A response before it is put on the wire (RFC 1035 4.1). */
export interface DnsResponse {
  id: number;
  opcode: number;
  recursionDesired: boolean;
  isAuthoritative: boolean;
  rcode: number;
  /** The question as it came, byte for byte; empty where none could be read. */
  question: Uint8Array;
  answers: readonly DnsRecord[];
  authority: readonly DnsRecord[];
  additional: readonly DnsRecord[];
  /** Payload size of an OPT record to add (RFC 6891); absent where the query had none. */
  ednsBytes?: number;
}

const TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33 } as const;
const HEADER_BYTES = 12;
const OPT_BYTES = 11;

/**
 * The message, names compressed, no longer than `limitBytes`: additional records go first, then authority, then answers,
 * and only a loss of answers sets TC.
 */
export function encodeResponse(response: DnsResponse, limitBytes: number): Buffer {
  const room = limitBytes - (response.ednsBytes === undefined ? 0 : OPT_BYTES);
  const writer = new MessageWriter(response.question);
  const counts = [response.answers, response.authority, response.additional].map((records) => {
    const count = records.findIndex((record) => !writer.add(record, room));
    return count < 0 ? records.length : count;
  });
  const [answers = 0, authority = 0, additional = 0] = counts;
  const isTruncated = answers < response.answers.length;
  const flags =
    0x8000 |
    (response.opcode << 11) |
    (response.isAuthoritative ? 0x0400 : 0) |
    (isTruncated ? 0x0200 : 0) |
    (response.recursionDesired ? 0x0100 : 0) |
    (response.rcode & 0xf);
  const hasOpt = response.ednsBytes !== undefined;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(response.id, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(response.question.length > 0 ? 1 : 0, 4);
  header.writeUInt16BE(answers, 6);
  header.writeUInt16BE(isTruncated ? 0 : authority, 8);
  header.writeUInt16BE((isTruncated ? 0 : additional) + (hasOpt ? 1 : 0), 10);
  return Buffer.concat([
    header,
    ...writer.parts,
    ...(response.ednsBytes === undefined ? [] : [optRecord(response.ednsBytes, response.rcode)]),
  ]);
}

function optRecord(payloadBytes: number, rcode: number): Buffer {
  const opt = Buffer.alloc(OPT_BYTES);
  opt.writeUInt16BE(41, 1);
  opt.writeUInt16BE(payloadBytes, 3);
  opt.writeUInt8(rcode >> 4, 5);
  return opt;
}

/** Writes records one after the other, remembering where names stand so that later ones can point there (RFC 1035 4.1.4). */
class MessageWriter {
  readonly parts: Buffer[] = [];
  private readonly offsets = new Map<string, number>();
  private length = HEADER_BYTES;
  private isFull = false;

  constructor(question: Uint8Array) {
    if (question.length === 0) return;
    this.parts.push(Buffer.from(question));
    this.length += question.length;
    this.remember(questionName(question), HEADER_BYTES);
  }

  /** Whether the record fitted; once one does not, no later one is taken. */
  add(record: DnsRecord, room: number): boolean {
    if (this.isFull) return false;
    const start = this.length;
    const learnt = new Map(this.offsets);
    const owner = this.name(record.name, start);
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(TYPES[record.type], 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(record.ttlSeconds, 4);
    const data = this.data(record, start + owner.length + fixed.length);
    fixed.writeUInt16BE(data.length, 8);
    const bytes = Buffer.concat([owner, fixed, data]);
    if (start + bytes.length > room) {
      this.offsets.clear();
      for (const [name, offset] of learnt) this.offsets.set(name, offset);
      this.isFull = true;
      return false;
    }
    this.parts.push(bytes);
    this.length += bytes.length;
    return true;
  }

  private data(record: DnsRecord, offset: number): Buffer {
    switch (record.type) {
      case "A":
      case "AAAA":
        return addressBytes(record.address);
      case "CNAME":
      case "PTR":
      case "NS":
        return this.name(record.target, offset);
      case "SRV": {
        const head = Buffer.alloc(6);
        head.writeUInt16BE(record.priority, 0);
        head.writeUInt16BE(record.weight, 2);
        head.writeUInt16BE(record.port, 4);
        // RFC 2782 forbids compression of the target.
        return Buffer.concat([head, plainName(record.target)]);
      }
      case "TXT": {
        const text = Buffer.from(record.text).subarray(0, 255);
        return Buffer.concat([Buffer.from([text.length]), text]);
      }
      case "SOA": {
        const primary = this.name(record.primary, offset);
        const mailbox = this.name(record.mailbox, offset + primary.length);
        const times = Buffer.alloc(20);
        [record.serial, 7200, 1800, 86_400, record.minimumSeconds].forEach((value, index) =>
          times.writeUInt32BE(value >>> 0, index * 4),
        );
        return Buffer.concat([primary, mailbox, times]);
      }
    }
  }

  private name(name: string, offset: number): Buffer {
    const labels = labelsOf(name);
    for (let index = 0; index < labels.length; index += 1) {
      const known = this.offsets.get(labels.slice(index).join("."));
      if (known === undefined) continue;
      this.remember(labels.slice(0, index), offset, labels);
      return Buffer.concat([
        ...labels.slice(0, index).map(labelBytes),
        Buffer.from([0xc0 | (known >> 8), known & 0xff]),
      ]);
    }
    this.remember(labels, offset);
    return plainName(name);
  }

  private remember(labels: readonly string[], offset: number, whole: readonly string[] = labels): void {
    let at = offset;
    for (const [index, label] of labels.entries()) {
      const suffix = whole.slice(index).join(".");
      if (at < 0x4000 && !this.offsets.has(suffix)) this.offsets.set(suffix, at);
      at += label.length + 1;
    }
  }
}

function labelsOf(name: string): string[] {
  return name === "" ? [] : name.split(".");
}

function labelBytes(label: string): Buffer {
  const text = Buffer.from(label, "latin1").subarray(0, 63);
  return Buffer.concat([Buffer.from([text.length]), text]);
}

function plainName(name: string): Buffer {
  return Buffer.concat([...labelsOf(name).map(labelBytes), Buffer.from([0])]);
}

/** Labels of the name that a question begins with; a question is checked before it comes here. */
function questionName(question: Uint8Array): string[] {
  const labels: string[] = [];
  for (let offset = 0; (question[offset] ?? 0) > 0; offset += (question[offset] ?? 0) + 1) {
    labels.push(Buffer.from(question.subarray(offset + 1, offset + 1 + (question[offset] ?? 0))).toString("latin1"));
  }
  return labels;
}

function addressBytes(address: string): Buffer {
  const parsed = parseIp(address);
  if (parsed === undefined) return Buffer.alloc(0);
  const length = parsed.family === 4 ? 4 : 16;
  return Buffer.from(parsed.value.toString(16).padStart(length * 2, "0"), "hex");
}
