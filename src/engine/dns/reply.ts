import { encode } from "dns-packet";
import type { Edns, Query } from "./query.ts";
import type { ZoneRecord } from "./records.ts";
import { FLAG, HEADER_BYTES, TYPE_OPT } from "./wire.ts";

const OPT_BYTES = 11;

/** A response before it is cut to size. */
export interface Reply {
  rcode: number;
  isAuthoritative: boolean;
  answers: readonly ZoneRecord[];
  authorities: readonly ZoneRecord[];
  additionals: readonly ZoneRecord[];
}

/** The wire form; records that do not fit are left out from the end, and TC tells so (RFC 2181 9, as CoreDNS sets it). */
export function encodeReply(query: Query, reply: Reply, limitBytes: number): Buffer {
  const opt = query.edns === undefined ? undefined : encodeOpt(query.edns, reply.rcode);
  let room = limitBytes - HEADER_BYTES - query.question.length - (opt?.length ?? 0);
  const parts: Buffer[] = [];
  let isFull = false;
  const counts = [reply.answers, reply.authorities, reply.additionals].map((section) => {
    let count = 0;
    for (const record of section) {
      if (isFull) break;
      const bytes = encodeRecord(record, query);
      if (bytes.length > room) isFull = true;
      else {
        room -= bytes.length;
        parts.push(bytes);
        count++;
      }
    }
    return count;
  });
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.id, 0);
  const flags = (reply.isAuthoritative ? FLAG.authoritative : 0) | (isFull ? FLAG.truncated : 0);
  header.writeUInt16BE(FLAG.response | query.copiedFlags | flags | (reply.rcode & 15), 2);
  const [answers = 0, authorities = 0, additionals = 0] = counts;
  [1, answers, authorities, additionals + (opt === undefined ? 0 : 1)].forEach((count, index) =>
    header.writeUInt16BE(count, 4 + 2 * index),
  );
  return Buffer.concat([header, query.question, ...parts, ...(opt === undefined ? [] : [opt])]);
}

function encodeOpt(edns: Edns, rcode: number): Buffer {
  const opt = Buffer.alloc(OPT_BYTES);
  opt.writeUInt16BE(TYPE_OPT, 1);
  opt.writeUInt16BE(edns.payloadBytes, 3);
  opt.writeUInt8(rcode >> 4, 5);
  opt.writeUInt16BE(edns.isDnssecOk ? 0x8000 : 0, 7);
  opt.writeUInt16BE(edns.options.length, 9);
  return Buffer.concat([opt, edns.options]);
}

/** The codec writes names in full; a record's owner is replaced by a pointer into the question (RFC 1035 4.1.4). */
function encodeRecord(record: ZoneRecord, query: Query): Buffer {
  const message = encode({ type: "response", answers: [{ ...record, name: "." }] });
  return Buffer.concat([encodeOwner(record.name, query.labels), message.subarray(HEADER_BYTES + 1)]);
}

function encodeOwner(name: string, question: readonly string[]): Buffer {
  const labels = name.split(".");
  let shared = 0;
  while (shared < Math.min(labels.length, question.length) && labels.at(-1 - shared) === question.at(-1 - shared))
    shared++;
  const own = labels
    .slice(0, labels.length - shared)
    .map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, "latin1"));
  if (shared === 0) return Buffer.concat([...own, Buffer.alloc(1)]);
  const offset = question
    .slice(0, question.length - shared)
    .reduce((sum, label) => sum + 1 + label.length, HEADER_BYTES);
  const pointer = Buffer.alloc(2);
  pointer.writeUInt16BE(0xc000 | offset);
  return Buffer.concat([...own, pointer]);
}
