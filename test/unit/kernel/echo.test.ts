import fc from "fast-check";
import { expect, test } from "vitest";
import { readReply } from "../../../src/kernel/echo.ts";
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
