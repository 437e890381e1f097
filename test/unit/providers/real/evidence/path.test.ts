import { describe, expect, test } from "vitest";
import { parsePacket, type Packet } from "../../../../../src/providers/real/evidence/packet.ts";
import { describePath, traceOf, type FlowEnds, type Point } from "../../../../../src/providers/real/evidence/path.ts";

const WEB = "10.1.0.1";
const DB = "10.2.0.2";
const VIP = "10.96.0.7";
const names = ["pod shop/web", "node one", "node two", "pod shop/db"];
const tcp: FlowEnds = {
  protocol: "tcp",
  destinations: new Set([DB, VIP]),
  ports: new Set([8080, 80]),
  nodeAddresses: new Set(["172.18.0.2", "172.18.0.3"]),
};

function read(lines: readonly string[]): Packet[] {
  return lines.map((line) => parsePacket(`1:2:3.4 ${line}`) as Packet);
}

function tell(captures: readonly (readonly string[] | string)[], ends = tcp, of = names): string[] {
  const points = captures.map((lines, index): Point => {
    const name = of[index] ?? "";
    const captured = typeof lines === "string" ? { reason: lines } : { packets: read(lines) };
    return { name, isNode: name.startsWith("node"), captured };
  });
  return describePath(points, traceOf(points[0], ends), ends.protocol);
}

const syn = (how: string, from = `${WEB}.4000`, to = `${DB}.8080`, sequence = 100): string =>
  `${how} IP ${from} > ${to}: Flags [S], seq ${sequence}, win 1`;
const reset = (how: string, from = `${DB}.8080`, to = `${WEB}.4000`, acknowledged = 101): string =>
  `${how} IP ${from} > ${to}: Flags [R.], seq 0, ack ${acknowledged}, win 0`;

describe("what captures show of a flow", () => {
  test("a SYN that a node takes in and does not pass on, retransmitted or not", () => {
    const lines = [
      [syn("eth0  Out"), syn("eth0  Out")],
      [syn("cali1 In"), syn("vx Out"), syn("cali1 In"), syn("vx Out")],
      [syn("vx In"), syn("vx In")],
      [],
    ];
    expect(tell(lines)).toEqual([
      "SYN seen leaving pod shop/web, not arriving at pod shop/db",
      "  passed on by node one (cali1 → vx)",
      "  taken in by node two (vx), which does not pass it on",
    ]);
  });

  test("a server that does not listen refuses by itself", () => {
    const lines = [
      [syn("eth0 Out"), reset("eth0 In")],
      [syn("cali1 In"), syn("vx Out"), reset("vx In"), reset("cali1 Out")],
      [syn("vx In"), syn("cali2 Out"), reset("cali2 In"), reset("vx Out")],
      [syn("eth0 In"), reset("eth0 Out")],
    ];
    expect(tell(lines)).toEqual([
      "SYN seen leaving pod shop/web, arriving at pod shop/db",
      "  passed on by node one (cali1 → vx)",
      "  passed on by node two (vx → cali2)",
      "RST seen leaving pod shop/db, and it arrives at pod shop/web",
    ]);
  });

  test("a rule that rejects answers in place of the server", () => {
    const error = `IP 172.18.0.3 > ${WEB}: ICMP ${DB} tcp port 8080 unreachable, length 68`;
    const lines = [
      [syn("eth0 Out"), `eth0 In  ${error}`],
      [syn("cali1 In"), syn("vx Out"), `vx In ${error}`, `cali1 Out ${error}`],
      [syn("vx In"), `vx Out ${error}`],
      [],
    ];
    expect(tell(lines)).toContain(
      `ICMP ${DB} tcp port 8080 unreachable seen leaving node two in place of pod shop/db, and it arrives at pod shop/web`,
    );
  });

  test("an answer that is lost on its way back", () => {
    const lines = [[syn("eth0 Out")], [syn("cali1 In"), syn("vx Out")], [], [syn("eth0 In"), reset("eth0 Out")]];
    expect(tell(lines).at(-1)).toBe("RST seen leaving pod shop/db, but it does not arrive at pod shop/web");
  });

  test("a Service's address and a masqueraded source are the same flow by its sequence number", () => {
    const lines = [
      [syn("eth0 Out", `${WEB}.4000`, `${VIP}.80`)],
      [syn("cali1 In", `${WEB}.4000`, `${VIP}.80`), syn("eth0 Out", "172.18.0.2.61000")],
      [syn("eth0 In", "172.18.0.2.61000"), syn("cali2 Out", "172.18.0.2.61000")],
      [syn("eth0 In", "172.18.0.2.61000")],
    ];
    expect(tell(lines)[0]).toBe("SYN seen leaving pod shop/web, arriving at pod shop/db");
  });

  test("others' connections to the same server are not taken for it", () => {
    const other = syn("eth0 In", "10.3.0.3.4000", `${DB}.8080`, 555);
    const lines = [
      [syn("eth0 Out")],
      [syn("cali1 In")],
      [other],
      [other, reset("eth0 Out", `${DB}.8080`, "10.3.0.3.4000", 556)],
    ];
    expect(tell(lines)).toEqual([
      "SYN seen leaving pod shop/web, not arriving at pod shop/db",
      "  taken in by node one (cali1), which does not pass it on",
    ]);
  });

  test("sequence numbers wrap around", () => {
    const last = 2 ** 32 - 1;
    const lines = [
      [syn("eth0 Out", undefined, undefined, last), reset("eth0 In", undefined, undefined, 0)],
      [],
      [],
      [],
    ];
    expect(tell(lines).at(-1)).toMatch(/^RST seen/);
  });

  test("what a node sends of its own is told from what it forwards for its pods", () => {
    const forwarded = syn("vx Out");
    const lines = [[syn("cali1 In"), forwarded], [forwarded]];
    expect(tell(lines, tcp, ["node one", "pod shop/db"])).toEqual(["no SYN is seen to leave node one"]);
    const own = syn("vx Out", "172.18.0.2.4001", undefined, 900);
    expect(
      tell([[...(lines[0] ?? []), own], [syn("eth0 In", "172.18.0.2.4001", undefined, 900)]], tcp, [
        "node one",
        "pod shop/db",
      ]),
    ).toEqual(["SYN seen leaving node one, arriving at pod shop/db"]);
  });

  test("datagrams are known by their source, echo requests, too", () => {
    const udp = { ...tcp, protocol: "udp" as const };
    const datagram = (how: string, from: string): string => `${how} IP ${from} > ${DB}.8080: UDP, length 9`;
    expect(tell([[datagram("eth0 Out", `${WEB}.5000`)], [], [], [datagram("eth0 In", `${WEB}.5001`)]], udp)[0]).toBe(
      "datagram seen leaving pod shop/web, not arriving at pod shop/db",
    );
    const answer = `eth0 Out IP ${DB}.8080 > ${WEB}.5000: UDP, length 3`;
    expect(
      tell([[datagram("eth0 Out", `${WEB}.5000`)], [], [], [datagram("eth0 In", `${WEB}.5000`), answer]], udp).at(-1),
    ).toBe("datagram seen leaving pod shop/db, but it does not arrive at pod shop/web");
    const icmp: FlowEnds = { ...tcp, protocol: "icmp", ports: new Set() };
    const echo = (how: string, from: string, to: string, what: string): string =>
      `${how} IP ${from} > ${to}: ICMP echo ${what}, id 5, seq 1, length 64`;
    const lines = [
      [echo("eth0 Out", WEB, DB, "request"), echo("eth0 In", DB, WEB, "reply")],
      [],
      [],
      [echo("eth0 In", WEB, DB, "request"), echo("eth0 Out", DB, WEB, "reply")],
    ];
    expect(tell(lines, icmp)).toEqual([
      "echo request seen leaving pod shop/web, arriving at pod shop/db",
      "  not seen on node one",
      "echo reply seen leaving pod shop/db, and it arrives at pod shop/web",
    ]);
  });

  test("a capture that could not be made is said, and nothing is concluded of its place", () => {
    expect(tell([[syn("eth0 Out")], [syn("cali1 In"), syn("vx Out")], [syn("vx In")], "no such program"])).toEqual([
      "SYN seen leaving pod shop/web",
      "  passed on by node one (cali1 → vx)",
      "  taken in by node two (vx), which does not pass it on",
      "no capture at pod shop/db: no such program",
    ]);
    expect(tell(["no such program", [syn("cali1 In")], [], []])).toEqual([
      "no capture at pod shop/web: no such program",
    ]);
  });
});
