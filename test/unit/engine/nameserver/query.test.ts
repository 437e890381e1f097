import { decode, encode, type DecodedPacket, type RecordType } from "dns-packet";
import { describe, expect, it } from "vitest";
import { replyToQuery } from "../../../../src/engine/nameserver/query.ts";
import { seededRandom } from "../../../../src/engine/seeded-random.ts";
import { manyEndpoints, shopZone } from "./cluster.ts";
import { query, type Asked } from "./dns-query.ts";

const zone = shopZone();
const hundred = manyEndpoints(100);

function bytes(packet: Buffer, from = zone, transport: "udp" | "tcp" = "udp", seed = 1): Buffer {
  const response = replyToQuery(packet, from, { protocol: transport, random: seededRandom(seed) });
  if (response === undefined) throw new Error("there was no response");
  return response;
}

function ask(
  name: string,
  asked: Asked = {},
  from = zone,
  transport: "udp" | "tcp" = "udp",
  seed = 1,
): DecodedPacket & { rcode: string } {
  return decode(bytes(query(name, asked), from, transport, seed)) as DecodedPacket & { rcode: string };
}

function addresses(packet: DecodedPacket): unknown[] {
  return (packet.answers ?? []).map((record) => ("data" in record ? record.data : undefined));
}

describe("a response", () => {
  it("repeats the id, the recursion flag and the question in its own case, and is authoritative", () => {
    const response = ask("WeB.Shop.sVc.Cluster.LOCAL");
    expect(response).toMatchObject({
      id: 4711,
      type: "response",
      flag_aa: true,
      flag_rd: true,
      flag_ra: false,
      rcode: "NOERROR",
    });
    expect(response.questions).toEqual([{ name: "WeB.Shop.sVc.Cluster.LOCAL", type: "A", class: "IN" }]);
    expect(response.answers).toMatchObject([{ name: "WeB.Shop.sVc.Cluster.LOCAL", ttl: 30, data: "10.96.0.20" }]);
  });

  it("carries an OPT only when the query did, with the client's size", () => {
    expect(ask("web.shop.svc.cluster.local").additionals).toEqual([]);
    expect(ask("web.shop.svc.cluster.local", { edns: 1232 }).additionals).toMatchObject([
      { type: "OPT", udpPayloadSize: 1232, extendedRcode: 0 },
    ]);
  });

  it("is not authoritative for what only an upstream server could know", () => {
    expect(ask("example.com")).toMatchObject({ rcode: "SERVFAIL", flag_aa: false, answers: [] });
  });

  it("has no answer to ANY, as CoreDNS has none", () => {
    expect(ask("web.shop.svc.cluster.local", { type: "ANY" as RecordType })).toMatchObject({
      rcode: "NOERROR",
      answers: [],
    });
    expect(ask("missing.shop.svc.cluster.local", { type: "ANY" as RecordType })).toMatchObject({ rcode: "NXDOMAIN" });
  });

  it("orders addresses anew each time", () => {
    const orders = new Set(
      Array.from({ length: 20 }, (_, seed) =>
        addresses(ask("db.shop.svc.cluster.local", {}, zone, "udp", seed)).join(),
      ),
    );
    expect([...orders].toSorted()).toEqual(["10.244.1.3,10.244.2.3", "10.244.2.3,10.244.1.3"]);
  });

  it("keeps an alias before what it leads to", () => {
    expect(ask("inside.shop.svc.cluster.local").answers?.map(({ type }) => type)).toEqual(["CNAME", "A", "A"]);
  });
});

describe("a response that does not fit", () => {
  it("is cut to 512 bytes over UDP, with TC, and still holds whole records", () => {
    const response = bytes(query("many.shop.svc.cluster.local"), hundred);
    expect(response.length).toBeLessThanOrEqual(512);
    const packet = decode(response);
    expect(packet.flag_tc).toBe(true);
    // 12 + 33 bytes of header and question leave room for 29 records of 16.
    expect(packet.answers).toHaveLength(29);
  });

  it("is cut to the size that EDNS tells, the OPT included", () => {
    const response = bytes(query("many.shop.svc.cluster.local", { edns: 1000 }), hundred);
    expect(response.length).toBeLessThanOrEqual(1000);
    expect(response.length).toBeGreaterThan(1000 - 16);
    expect(decode(response)).toMatchObject({ flag_tc: true, additionals: [{ type: "OPT" }] });
  });

  it("takes an EDNS size below 512 for 512", () => {
    expect(bytes(query("many.shop.svc.cluster.local", { edns: 10 }), hundred).length).toBeGreaterThan(400);
  });

  it("is whole over TCP and where EDNS has room", () => {
    for (const response of [
      ask("many.shop.svc.cluster.local", {}, hundred, "tcp"),
      ask("many.shop.svc.cluster.local", { edns: 4096 }, hundred),
    ]) {
      expect(response.flag_tc).toBe(false);
      expect(new Set(addresses(response)).size).toBe(100);
    }
  });

  it("loses additional records before answers, and is whole without them", () => {
    const thirty = manyEndpoints(30);
    const response = ask("_http._tcp.many.shop.svc.cluster.local", { type: "SRV", edns: 2000 }, thirty);
    expect(response.answers).toHaveLength(30);
    expect(response.additionals?.length).toBeGreaterThan(1);
    expect(response.additionals?.length).toBeLessThan(31);
    expect(response.flag_tc).toBe(false);
  });
});

describe("a packet that is no ordinary query", () => {
  const header = (flags: number, counts: number[]): Buffer => {
    const packet = Buffer.alloc(12);
    packet.writeUInt16BE(99, 0);
    packet.writeUInt16BE(flags, 2);
    counts.forEach((count, index) => packet.writeUInt16BE(count, 4 + 2 * index));
    return packet;
  };
  const rcode = (packet: Buffer): string => (decode(bytes(packet)) as DecodedPacket & { rcode: string }).rcode;

  it("gets no response when it is too short for a header, or is a response", () => {
    for (const packet of [Buffer.alloc(0), Buffer.alloc(11), header(0x8000, [1, 0, 0, 0])]) {
      expect(replyToQuery(packet, zone, { protocol: "udp", random: Math.random })).toBeUndefined();
    }
  });

  it("gets NOTIMP for another opcode", () => {
    expect(rcode(header(5 << 11, [1, 0, 0, 0]))).toBe("NOTIMP");
  });

  it("gets FORMERR for no question, several, or one that is cut short", () => {
    const two = encode({
      id: 1,
      questions: [
        { type: "A", name: "a" },
        { type: "A", name: "b" },
      ],
    });
    const whole = query("web.shop.svc.cluster.local");
    for (const packet of [header(0, [0, 0, 0, 0]), two, whole.subarray(0, 20), whole.subarray(0, whole.length - 1)]) {
      expect(rcode(packet)).toBe("FORMERR");
    }
  });

  it("gets FORMERR for a compression pointer in its question, even one to itself", () => {
    expect(rcode(Buffer.concat([header(0, [1, 0, 0, 0]), Buffer.from([0xc0, 12, 0, 1, 0, 1])]))).toBe("FORMERR");
  });

  it("gets FORMERR for a pointer loop in a record", () => {
    const record = Buffer.from([0xc0, 19, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    const packet = Buffer.concat([header(0, [1, 0, 0, 1]), Buffer.from([1, 0x61, 0, 0, 1, 0, 1]), record]);
    expect(rcode(packet)).toBe("FORMERR");
  });

  it("gets FORMERR for a name of more than 255 bytes", () => {
    const label = Buffer.concat([Buffer.from([63]), Buffer.alloc(63, "a")]);
    const name = Buffer.concat([label, label, label, label, Buffer.from([0, 0, 1, 0, 1])]);
    expect(rcode(Buffer.concat([header(0, [1, 0, 0, 0]), name]))).toBe("FORMERR");
  });

  it("gets REFUSED for a class other than IN", () => {
    const packet = query("web.shop.svc.cluster.local");
    packet.writeUInt16BE(3, packet.length - 2);
    expect(rcode(packet)).toBe("REFUSED");
  });

  it("gets BADVERS for an EDNS version that does not exist", () => {
    const packet = query("web.shop.svc.cluster.local", { edns: 1232 });
    packet.writeUInt8(1, packet.length - 5);
    expect(decode(bytes(packet))).toMatchObject({
      answers: [],
      additionals: [{ type: "OPT", extendedRcode: 1, ednsVersion: 0 }],
    });
  });

  it("gets FORMERR for two OPT records", () => {
    const packet = query("web.shop.svc.cluster.local", { edns: 1232 });
    const twice = Buffer.concat([packet, packet.subarray(packet.length - 11)]);
    twice.writeUInt16BE(2, 10);
    expect(rcode(twice)).toBe("FORMERR");
  });

  it("does not confuse a dot inside a label with the end of one", () => {
    const name = Buffer.concat([
      Buffer.from([8]),
      Buffer.from("web.shop"),
      Buffer.from([3]),
      Buffer.from("svc"),
      Buffer.from([7]),
      Buffer.from("cluster"),
      Buffer.from([5]),
      Buffer.from("local"),
      Buffer.from([0, 0, 1, 0, 1]),
    ]);
    expect(rcode(Buffer.concat([header(0, [1, 0, 0, 0]), name]))).toBe("NXDOMAIN");
  });
});
