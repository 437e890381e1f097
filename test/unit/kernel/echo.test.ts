import fc from "fast-check";
import { expect, test } from "vitest";
import { readReply, readReply6 } from "../../../src/kernel/echo.ts";
import { ipv4 } from "../../fixtures/packets.ts";

const [here, there, router] = ["10.244.1.2", "10.244.2.3", "10.244.1.1"];
const sizes = [68, 1400, 1450];
const read = (packet: Buffer) => readReply(packet, there, 7, sizes);

/** An ICMP header with identifier 7, or what stands in its place. */
function icmp(type: number, code: number, sequence: number, rest: Buffer = Buffer.alloc(0), id = 7): Buffer {
  const header = Buffer.from([type, code, 0, 0, 0, 0, 0, 0]);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE(sequence, 6);
  return Buffer.concat([header, rest]);
}

const request = (sequence: number, id = 7): Buffer => ipv4(here, there, 1, icmp(8, 0, sequence, undefined, id));

test("an echo reply is of the size whose number it has", () => {
  expect(read(ipv4(there, here, 1, icmp(0, 0, 2)))).toEqual({ size: 1450, outcome: "answered" });
});

test("who refuses is told with the MTU that it names", () => {
  const refusal = icmp(3, 4, 1400, request(2), 0);
  expect(read(ipv4(router, here, 1, refusal))).toEqual({ size: 1450, outcome: "too-big", by: router, mtu: 1400 });
});

test("another ICMP error is no refusal of a length", () => {
  expect(read(ipv4(router, here, 1, icmp(3, 1, 0, request(0))))).toEqual({
    size: 68,
    outcome: "unreachable",
    by: router,
    detail: "ICMP type 3 code 1",
  });
});

test.each([
  ["a reply of another socket", ipv4(there, here, 1, icmp(0, 0, 2, undefined, 8))],
  ["a reply of somebody else", ipv4(router, here, 1, icmp(0, 0, 2))],
  ["an error about another socket's request", ipv4(router, here, 1, icmp(3, 4, 1400, request(2, 8)))],
  ["an error about another destination", ipv4(router, here, 1, icmp(3, 4, 1400, ipv4(here, router, 1, icmp(8, 0, 2))))],
  ["our own request, looped back", request(2)],
  ["a number that was never sent", ipv4(there, here, 1, icmp(0, 0, 9))],
])("%s is not taken for an answer", (_, packet) => {
  expect(read(packet)).toBeUndefined();
});

test("no bytes at all make it fail", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void read(Buffer.from(bytes))));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void read(ipv4(router, here, 1, Buffer.from(bytes)))),
  );
});

/* IPv6: the source stands beside the packet, which begins with ICMPv6. */
const [six, sixRouter] = ["fd00:10:244:1::5", "fd00:172:30::2"];
const read6 = (packet: Buffer, source = six) => readReply6(packet, source, "fd00:10:244:1:0::5", 7, sizes);

/** An echo request to fd00:10:244:1::5 as an error quotes it: the IPv6 header and what follows. */
function request6(sequence: number, { id = 7, last = 5, next = 58 } = {}): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header[6] = next;
  Buffer.from("fd0000100244000100000000000000", "hex").copy(header, 24);
  header[39] = last;
  return Buffer.concat([header, icmp(128, 0, sequence, undefined, id)]);
}

/** "Packet too big", which names an MTU. */
function tooBig(quoted: Buffer): Buffer {
  const header = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(1300, 4);
  return Buffer.concat([header, quoted]);
}

test("over IPv6 a reply, a refusal and another error are told as over IPv4", () => {
  expect(read6(icmp(129, 0, 2))).toEqual({ size: 1450, outcome: "answered" });
  const refusal = { size: 1450, outcome: "too-big", by: sixRouter, mtu: 1300 };
  expect(read6(tooBig(request6(2)), sixRouter)).toEqual(refusal);
  expect(read6(icmp(1, 3, 0, request6(0)), sixRouter)).toEqual({
    size: 68,
    outcome: "unreachable",
    by: sixRouter,
    detail: "ICMPv6 type 1 code 3",
  });
});

test.each([
  ["a reply of another socket", icmp(129, 0, 2, undefined, 8), six],
  ["a reply of somebody else", icmp(129, 0, 2), sixRouter],
  ["an error about another socket's request", tooBig(request6(2, { id: 8 })), sixRouter],
  ["an error about another destination", tooBig(request6(2, { last: 6 })), sixRouter],
  ["an error about another protocol", tooBig(request6(2, { next: 17 })), sixRouter],
  ["a neighbour's solicitation", icmp(135, 0, 2, request6(2)), six],
  ["a number that was never sent", icmp(129, 0, 9), six],
])("over IPv6 %s is not taken for an answer", (_, packet, source) => {
  expect(read6(packet, source)).toBeUndefined();
});

test("no bytes at all make it fail over IPv6", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void read6(Buffer.from(bytes))));
});
