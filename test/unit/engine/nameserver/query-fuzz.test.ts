import type { RecordType } from "dns-packet";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { replyToQuery } from "../../../../src/engine/nameserver/query.ts";
import { manyEndpoints } from "./cluster.ts";
import { query } from "./dns-query.ts";

const hundred = manyEndpoints(100);

describe("answering holds for any bytes", () => {
  /** What is wrong with the response to a packet; nothing for most. */
  const faultOf = (packet: Buffer, protocol: "udp" | "tcp"): string | undefined => {
    const response = replyToQuery(packet, hundred, { protocol, random: Math.random });
    const expectsSilence = packet.length < 12 || (packet.readUInt16BE(2) & 0x8000) !== 0;
    if (expectsSilence) return response === undefined ? undefined : "a response to what deserves none";
    if (response === undefined) return "no response";
    if (response.readUInt16BE(0) !== packet.readUInt16BE(0)) return "another id";
    if ((response.readUInt16BE(2) & 0x8000) === 0) return "not a response";
    if (response.length > (protocol === "udp" ? 4096 : 65_535)) return "too long";
    if (response.readUInt16BE(4) === 0) return undefined;
    const end = 12 + questionBytes(packet);
    return response.subarray(12, end).equals(packet.subarray(12, end)) ? undefined : "another question";
  };
  const transport = fc.constantFrom("udp" as const, "tcp" as const);

  it("random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), transport, (data, by) => {
        expect(faultOf(Buffer.from(data), by)).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  it("random bytes after a plausible header", () => {
    const counts = fc.tuple(
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 0, max: 3 }),
    );
    fc.assert(
      fc.property(counts, fc.uint8Array({ maxLength: 300 }), transport, (numbers, data, by) => {
        const packet = Buffer.concat([Buffer.from([0, 1, 1, 0]), Buffer.alloc(8), Buffer.from(data)]);
        numbers.forEach((count, index) => packet.writeUInt16BE(count, 4 + 2 * index));
        expect(faultOf(packet, by)).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  it("valid queries with bytes changed, cut or added", () => {
    const names = fc.constantFrom(
      "many.shop.svc.cluster.local",
      "_http._tcp.many.shop.svc.cluster.local",
      "1.1.244.10.in-addr.arpa",
      "x",
      ".",
    );
    const types = fc.constantFrom<RecordType>("A", "AAAA", "SRV", "PTR", "TXT", "SOA", "NS", "CNAME");
    const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(
        names,
        types,
        fc.option(fc.nat(65_535)),
        changes,
        fc.integer({ min: -20, max: 20 }),
        transport,
        (name, type, edns, edits, length, by) => {
          const original = query(name, { type, ...(edns === null ? {} : { edns }) });
          const packet = Buffer.alloc(Math.max(0, original.length + length));
          original.copy(packet);
          for (const [position, value] of edits) if (position < packet.length) packet[position] = value;
          expect(faultOf(packet, by)).toBeUndefined();
        },
      ),
      { numRuns: 3000 },
    );
  });
});

function questionBytes(packet: Buffer): number {
  let offset = 12;
  while ((packet[offset] ?? 0) !== 0) offset += 1 + (packet[offset] as number);
  return offset + 5 - 12;
}
