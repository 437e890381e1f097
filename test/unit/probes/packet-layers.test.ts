import fc from "fast-check";
import { expect, test } from "vitest";
import { readLayers } from "../../../src/probes/packet-layers.ts";
import { datagram, echo, ipv4, shape, syn, vxlan } from "../../fixtures/packets.ts";

const [a, b] = ["10.244.1.2", "10.244.2.3"];
const [node1, node2] = ["172.30.0.3", "172.30.0.4"];

test("what is in a tunnel is read, whatever the port and however deep", () => {
  expect(shape(readLayers(syn(a, b)))).toBe(`${a} → ${b} tcp`);
  expect(shape(readLayers(vxlan(node1, node2, echo(a, b, Buffer.alloc(8)), 4789)))).toBe(`vxlan ${a} → ${b} icmp`);
  expect(shape(readLayers(ipv4(node1, node2, 4, syn(a, b))))).toBe(`ipip ${a} → ${b} tcp`);
  expect(shape(readLayers(ipv4(node1, node2, 4, vxlan(node1, node2, syn(a, b)))))).toBe(`ipip vxlan ${a} → ${b} tcp`);
});

test("a datagram that only begins like VXLAN is none", () => {
  expect(shape(readLayers(datagram(a, b, Buffer.from("0800000000000100", "hex"))))).toBe(`${a} → ${b} udp`);
  expect(shape(readLayers(datagram(a, b, Buffer.alloc(60, 8))))).toBe(`${a} → ${b} udp`);
});

test("an IPv6 packet is read with its hop limit", () => {
  const header = Buffer.alloc(60);
  header[0] = 0x60;
  header.writeUInt16BE(20, 4);
  header.set([6, 63], 6);
  header.set([0xfd, 0], 8);
  header[23] = 1;
  header.set([0xfd, 0], 24);
  header[39] = 2;
  header[53] = 2;
  expect(readLayers(header)).toMatchObject({
    tunnels: [],
    inner: { source: "fd00::1", destination: "fd00::2", ttl: 63, content: { protocol: "tcp", isSyn: true } },
  });
});

test("no bytes at all make it fail", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isIp) => {
      const packet = Buffer.from(bytes);
      if (isIp && packet.length > 0) packet[0] = 0x45;
      readLayers(packet);
    }),
  );
});
