import { expect, test } from "vitest";
import { parsePacket } from "../../../../../src/providers/real/evidence/packet.ts";

test("reads a TCP segment with its interface, direction and absolute numbers", () => {
  const line =
    "18:14:44.78 vxlan.calico In  IP 10.1.0.1.45698 > 10.2.0.2.8080: Flags [S], seq 1146156942, win 64860, length 0";
  expect(parsePacket(line)).toEqual({
    interface: "vxlan.calico",
    isIn: true,
    source: "10.1.0.1",
    sourcePort: 45698,
    destination: "10.2.0.2",
    destinationPort: 8080,
    what: "SYN",
    sequence: 1146156942,
    line,
  });
});

test.each([
  ["eth0  Out IP 10.2.0.2.80 > 10.1.0.1.4: Flags [S.], seq 7, ack 8, win 1", { what: "SYN-ACK", acknowledged: 8 }],
  ["eth0  Out IP 10.2.0.2.80 > 10.1.0.1.4: Flags [R.], seq 0, ack 8, win 0", { what: "RST", acknowledged: 8 }],
  ["eth0  Out IP 10.2.0.2.80 > 10.1.0.1.4: Flags [.], ack 8, win 0", { what: "segment" }],
  ["eth0  P   IP 10.2.0.2.80 > 10.1.0.1.4: UDP, length 9", { what: "datagram", isIn: true }],
  ["eth0  Out IP 10.2.0.2.40 > 10.1.0.1.53: 12+ A? web.shop. (26)", { what: "datagram", destinationPort: 53 }],
  [
    "eth0  In  IP 10.2.0.2 > 10.1.0.1: ICMP echo request, id 5, seq 1, length 64",
    { what: "echo request", echoId: 5, source: "10.2.0.2" },
  ],
  [
    "eth0  In  IP 10.9.0.1 > 10.1.0.1: ICMP 10.2.0.2 tcp port 80 unreachable, length 68",
    { what: "ICMP 10.2.0.2 tcp port 80 unreachable" },
  ],
  [
    "eth0  In  IP6 fd00::1.4 > fd00::2.80: Flags [S], seq 1, win 1",
    { source: "fd00::1", sourcePort: 4, destination: "fd00::2", destinationPort: 80 },
  ],
  ["eth0  In  IP6 fd00::1 > fd00::2: ICMP6, echo reply, id 3, seq 1", { what: "echo reply", destination: "fd00::2" }],
  ["IP 10.2.0.2.80 > 10.1.0.1.4: UDP, length 9", { interface: undefined, what: "datagram" }],
])("reads %s", (line, expected) => {
  expect(parsePacket(`18:14:44.78 ${line}`)).toMatchObject(expected);
});

test.each(["", "listening on any", "18:14:44.78 eth0  In  ARP, Request who-has 10.1.0.1 tell 10.1.0.2, length 28"])(
  "finds no packet in %j",
  (line) => expect(parsePacket(line)).toBeUndefined(),
);
