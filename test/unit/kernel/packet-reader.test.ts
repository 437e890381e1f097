import fc from "fast-check";
import { expect, test } from "vitest";
import { PacketReader } from "../../../src/kernel/packet-reader.ts";

const printed = [
  "1795326663.398036 eth0  In  IP 10.0.0.1.8472 > 10.0.0.2.8472: OTV, flags [I] (0x08), overlay 0, instance 1",
  "IP 10.244.1.2 > 10.244.2.3: ICMP echo request, id 24873, seq 1, length 64",
  "\t0x0000:  4500 0054 b222",
  "\t0x0010:  40",
  "1795326663.398046 veth1 Out IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id 24873, seq 1, length 64",
  "\t0x0000:  4500",
  "1795326663.398050 eth0  P   IP 10.0.0.9 > 10.0.0.8: ICMP echo reply, id 1, seq 1, length 64",
  "\t0x0000:  4501",
  "1795326663.398060 eth0  B   IP 10.0.0.9 > 10.0.0.255: UDP, length 1",
  "\t0x0000:  4502",
  "",
].join("\n");

const packets = [
  { atMs: 1795326663398.036, interface: "eth0", isIn: true, hex: "45000054b22240" },
  { atMs: 1795326663398.046, interface: "veth1", isIn: false, hex: "4500" },
  { atMs: 1795326663398.06, interface: "eth0", isIn: true, hex: "4502" },
];

test("packets are put together from tcpdump's lines, those for other hosts left out", () => {
  const reader = new PacketReader();
  reader.take(printed);
  expect(reader.packets.map((packet) => ({ ...packet, atMs: Math.round(packet.atMs * 1000) }))).toEqual(
    packets.map((packet) => ({ ...packet, atMs: Math.round(packet.atMs * 1000) })),
  );
});

test("wherever the text is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: printed.length })), (cuts) => {
      const reader = new PacketReader();
      const at = [0, ...cuts.toSorted((a, b) => a - b), printed.length];
      for (let index = 1; index < at.length; index++) reader.take(printed.slice(at[index - 1], at[index]));
      expect(reader.packets.map(({ hex }) => hex)).toEqual(packets.map(({ hex }) => hex));
    }),
  );
});
