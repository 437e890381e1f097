import { describe, expect, it } from "vitest";
import { answerFrom, type DnsAnswer, type DnsRecord, type Zone } from "../../../../src/engine/nameserver/records.ts";
import { service, shopZone, slice, zoneOf } from "./cluster.ts";

const zone = shopZone();

function ask(name: string, type: string, from: Zone = zone): DnsAnswer {
  const answer = answerFrom(from, name, type);
  if (answer === undefined) throw new Error(`${name} is outside the cluster's zones`);
  return answer;
}

/** What a record says, without its owner. */
function valueOf(record: DnsRecord): unknown {
  switch (record.type) {
    case "A":
    case "AAAA":
      return record.address;
    case "CNAME":
    case "PTR":
    case "NS":
      return record.target;
    case "SRV":
      return { priority: record.priority, weight: record.weight, port: record.port, target: record.target };
    case "TXT":
      return record.text;
    case "SOA":
      return record.primary;
  }
}

function data(name: string, type: string, from: Zone = zone): unknown[] {
  return ask(name, type, from).answers.map(valueOf);
}

/** NODATA: the SOA says how long to remember it (RFC 2308). */
const NO_DATA = { rcode: "NOERROR", answers: [], isAuthoritative: true, authority: [{ type: "SOA" }] };
const NAME_ERROR = { ...NO_DATA, rcode: "NXDOMAIN" };

describe("a ClusterIP Service", () => {
  it("has an address record a family, with the TTL of kubeadm's Corefile", () => {
    expect(ask("web.shop.svc.cluster.local", "A").answers).toEqual([
      { type: "A", name: "web.shop.svc.cluster.local", ttlSeconds: 30, address: "10.96.0.20" },
    ]);
    expect(data("web.shop.svc.cluster.local", "AAAA")).toEqual(["fd00:96::20"]);
  });

  it("has an SRV for a named port that points to the Service, with its addresses beside it", () => {
    const result = ask("_http._tcp.web.shop.svc.cluster.local", "SRV");
    expect(result.answers.map(valueOf)).toEqual([
      { priority: 0, weight: 50, port: 80, target: "web.shop.svc.cluster.local" },
    ]);
    expect(result.additional.map((record) => [record.type, record.name, valueOf(record)])).toEqual([
      ["A", "web.shop.svc.cluster.local", "10.96.0.20"],
      ["AAAA", "web.shop.svc.cluster.local", "fd00:96::20"],
    ]);
  });

  it("has an SRV for a named port of SCTP", () => {
    const peers = service("peers", {
      clusterIP: "10.96.0.30",
      clusterIPs: ["10.96.0.30"],
      ports: [{ name: "diameter", port: 3868, protocol: "SCTP" }],
    });
    const records = data("_diameter._sctp.peers.shop.svc.cluster.local", "SRV", zoneOf({ services: [peers] }));
    expect(records).toMatchObject([{ port: 3868, target: "peers.shop.svc.cluster.local" }]);
  });

  it("lists every port for an SRV question about the Service itself", () => {
    expect(data("web.shop.svc.cluster.local", "SRV")).toMatchObject([{ port: 80 }, { port: 9090 }]);
  });

  it("does not exist under another protocol or an unknown port name", () => {
    expect(ask("_http._udp.web.shop.svc.cluster.local", "SRV")).toMatchObject(NAME_ERROR);
    expect(ask("_https._tcp.web.shop.svc.cluster.local", "SRV")).toMatchObject(NAME_ERROR);
  });

  it("is found by a reverse lookup in both families", () => {
    expect(data("20.0.96.10.in-addr.arpa", "PTR")).toEqual(["web.shop.svc.cluster.local"]);
    const nibbles = "0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f";
    expect(data(`${nibbles}.ip6.arpa`, "PTR")).toEqual(["web.shop.svc.cluster.local"]);
  });

  it("names its endpoints by their addresses, as CoreDNS does", () => {
    expect(data("10-244-1-2.web.shop.svc.cluster.local", "A")).toEqual(["10.244.1.2"]);
    expect(data("2.1.244.10.in-addr.arpa", "PTR")).toEqual(["10-244-1-2.web.shop.svc.cluster.local"]);
  });

  it("has no records before it has an address", () => {
    const pending = zoneOf({ services: [service("new", { ports: [{ port: 80 }] })] });
    expect(ask("new.shop.svc.cluster.local", "A", pending)).toMatchObject(NAME_ERROR);
  });
});

describe("a headless Service", () => {
  it("has the addresses of its ready endpoints; an unknown readiness counts as ready", () => {
    expect(data("db.shop.svc.cluster.local", "A")).toEqual(["10.244.1.3", "10.244.2.3"]);
  });

  it("exists without records of a family that no endpoint has", () => {
    expect(ask("db.shop.svc.cluster.local", "AAAA")).toMatchObject(NO_DATA);
  });

  it("names an endpoint by its hostname, and one without by its address", () => {
    expect(data("db-0.db.shop.svc.cluster.local", "A")).toEqual(["10.244.1.3"]);
    expect(data("10-244-2-3.db.shop.svc.cluster.local", "A")).toEqual(["10.244.2.3"]);
    expect(ask("10-244-1-3.db.shop.svc.cluster.local", "A")).toMatchObject(NAME_ERROR);
    expect(ask("10-244-2-4.db.shop.svc.cluster.local", "A")).toMatchObject(NAME_ERROR);
  });

  it("has an SRV an endpoint, with the endpoint's own port", () => {
    const result = ask("_sql._tcp.db.shop.svc.cluster.local", "SRV");
    expect(result.answers.map(valueOf)).toEqual([
      { priority: 0, weight: 50, port: 5433, target: "db-0.db.shop.svc.cluster.local" },
      { priority: 0, weight: 50, port: 5433, target: "10-244-2-3.db.shop.svc.cluster.local" },
    ]);
    expect(result.additional.map(valueOf)).toEqual(["10.244.1.3", "10.244.2.3"]);
  });

  it("does not exist while none of its endpoints is ready", () => {
    expect(ask("nobody.shop.svc.cluster.local", "A")).toMatchObject(NAME_ERROR);
  });

  it("has addresses but no SRV when it declares no port", () => {
    expect(data("portless.shop.svc.cluster.local", "A")).toEqual(["10.244.3.3"]);
    expect(ask("portless.shop.svc.cluster.local", "SRV")).toMatchObject(NO_DATA);
  });

  it("gives a reverse lookup of an endpoint the endpoint's name", () => {
    expect(data("3.1.244.10.in-addr.arpa", "PTR")).toEqual(["db-0.db.shop.svc.cluster.local"]);
  });
});

describe("an ExternalName Service", () => {
  it("is an alias, given alone when its target is outside the cluster", () => {
    for (const kind of ["A", "AAAA", "CNAME"] as const) {
      expect(data("outside.shop.svc.cluster.local", kind)).toEqual(["www.example.com"]);
    }
  });

  it("is followed when its target is in the cluster", () => {
    expect(ask("inside.shop.svc.cluster.local", "A").answers.map(({ type, name }) => [type, name])).toEqual([
      ["CNAME", "inside.shop.svc.cluster.local"],
      ["A", "db.shop.svc.cluster.local"],
      ["A", "db.shop.svc.cluster.local"],
    ]);
    expect(ask("inside.shop.svc.cluster.local", "AAAA")).toMatchObject(NO_DATA);
  });

  it("that leads back to itself has no answer", () => {
    expect(ask("loop.shop.svc.cluster.local", "A")).toMatchObject(NO_DATA);
  });

  it("has neither ports nor endpoints", () => {
    expect(ask("outside.shop.svc.cluster.local", "SRV")).toMatchObject(NO_DATA);
    expect(ask("_http._tcp.outside.shop.svc.cluster.local", "SRV")).toMatchObject(NAME_ERROR);
  });

  it("does not exist when its target is an address or cannot be written in DNS", () => {
    expect(ask("address.shop.svc.cluster.local", "A")).toMatchObject(NAME_ERROR);
    const long = zoneOf({
      services: [service("long", { type: "ExternalName", externalName: `${"a".repeat(64)}.example` })],
    });
    expect(ask("long.shop.svc.cluster.local", "CNAME", long)).toMatchObject(NAME_ERROR);
  });
});

describe("names that stand for no Service", () => {
  it.each([
    "cluster.local",
    "svc.cluster.local",
    "pod.cluster.local",
    "shop.svc.cluster.local",
    "empty.svc.cluster.local",
  ])("%s exists without records", (name) => expect(ask(name, "A")).toMatchObject(NO_DATA));

  it.each([
    "shop.cluster.local",
    "nowhere.svc.cluster.local",
    "web.nowhere.svc.cluster.local",
    "missing.shop.svc.cluster.local",
    "a.b.c.web.shop.svc.cluster.local",
    "web.shop.pod.cluster.local",
    "constructor.svc.cluster.local",
    "hasownproperty.shop.svc.cluster.local",
  ])("%s does not exist", (name) => expect(ask(name, "A")).toMatchObject(NAME_ERROR));

  it("answers any address written as a pod's name in an existing namespace", () => {
    expect(data("10-244-9-9.empty.pod.cluster.local", "A")).toEqual(["10.244.9.9"]);
    expect(data("fd00--9.empty.pod.cluster.local", "AAAA")).toEqual(["fd00::9"]);
    expect(ask("10-244-9-9.empty.pod.cluster.local", "AAAA")).toMatchObject(NO_DATA);
    expect(ask("10-244-9-9.empty.pod.cluster.local", "SRV")).toMatchObject(NO_DATA);
    expect(ask("10-244-9-9.nowhere.pod.cluster.local", "A")).toMatchObject(NAME_ERROR);
    expect(ask("10-244-9-999.empty.pod.cluster.local", "A")).toMatchObject(NAME_ERROR);
  });

  it("tells the version of the schema", () => {
    expect(ask("dns-version.cluster.local", "TXT").answers).toEqual([
      { type: "TXT", name: "dns-version.cluster.local", ttlSeconds: 28_800, text: "1.1.0" },
    ]);
    expect(ask("dns-version.cluster.local", "A")).toMatchObject(NO_DATA);
  });

  it("has the zone's own records at its apex", () => {
    expect(ask("cluster.local", "SOA").answers).toMatchObject([
      {
        type: "SOA",
        name: "cluster.local",
        primary: "ns.dns.cluster.local",
        mailbox: "hostmaster.cluster.local",
        serial: zone.facts.version,
      },
    ]);
    expect(data("cluster.local", "NS")).toEqual(["ns.dns.cluster.local"]);
    expect(data("ns.dns.cluster.local", "A")).toEqual(["10.96.0.10"]);
    expect(ask("web.shop.svc.cluster.local", "SOA")).toMatchObject(NO_DATA);
  });

  it("does not answer for names outside the cluster and the reverse trees", () => {
    for (const name of ["example.com", "local", "", "notcluster.local"]) {
      expect(answerFrom(zone, name, "A")).toBeUndefined();
    }
  });

  it("has nobody to ask for a public address", () => {
    expect(ask("8.8.8.8.in-addr.arpa", "PTR")).toMatchObject({
      rcode: "SERVFAIL",
      isAuthoritative: false,
      answers: [],
    });
  });

  it("says of a private address that nobody has what every resolver says", () => {
    expect(ask("1.2.3.10.in-addr.arpa", "PTR")).toMatchObject({ rcode: "NXDOMAIN", isAuthoritative: false });
    expect(ask("1.0.16.172.in-addr.arpa", "PTR")).toMatchObject({ rcode: "NXDOMAIN" });
    expect(ask(`${"0.".repeat(29)}0.d.f.ip6.arpa`, "PTR")).toMatchObject({ rcode: "NXDOMAIN" });
  });

  it("has no other type at a reverse name that exists", () => {
    expect(ask("20.0.96.10.in-addr.arpa", "A")).toMatchObject(NO_DATA);
    expect(ask("20.0.96.10.in-addr.arpa", "A").authority).toMatchObject([{ name: "in-addr.arpa" }]);
  });
});

describe("a zone", () => {
  it("is made from plain JSON", () => {
    expect(JSON.parse(JSON.stringify(zone.facts))).toEqual(zone.facts);
  });

  it("prefers a ClusterIP's name to an endpoint's at the same address", () => {
    const services = [
      service("pods", { clusterIP: "None", ports: [{ port: 80 }] }),
      service("web", { clusterIP: "10.96.0.20", clusterIPs: ["10.96.0.20"], ports: [{ port: 80 }] }),
    ];
    const both = zoneOf({ services, endpointSlices: [slice("pods", [{ addresses: ["10.96.0.20"] }])] });
    expect(data("20.0.96.10.in-addr.arpa", "PTR", both)).toEqual(["web.shop.svc.cluster.local"]);
  });

  it("names an address once for each Service that it is an endpoint of", () => {
    const services = ["one", "two"].map((name) => service(name, { clusterIP: "None", ports: [{ port: 80 }] }));
    const shared = zoneOf({
      services,
      endpointSlices: services.map(({ metadata }) => slice(metadata.name, [{ addresses: ["10.244.0.1"] }])),
    });
    expect(data("1.0.244.10.in-addr.arpa", "PTR", shared)).toEqual([
      "10-244-0-1.one.shop.svc.cluster.local",
      "10-244-0-1.two.shop.svc.cluster.local",
    ]);
  });

  it("takes a cluster domain in any case", () => {
    const lab = zoneOf({ dnsDomain: "Lab.Example" });
    expect(ask("shop.svc.lab.example", "A", lab)).toMatchObject({ rcode: "NOERROR" });
  });

  it("has no address records for endpoints that are names", () => {
    const fqdn = zoneOf({
      services: [service("far", { clusterIP: "None", ports: [{ port: 80 }] })],
      endpointSlices: [slice("far", [{ addresses: ["www.example.com"] }], [{ port: 80 }], "FQDN")],
    });
    expect(ask("far.shop.svc.cluster.local", "A", fqdn)).toMatchObject(NAME_ERROR);
  });
});
