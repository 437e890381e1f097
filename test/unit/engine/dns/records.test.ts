import { describe, expect, it } from "vitest";
import { lookup, type LookupResult, type RecordKind } from "../../../../src/engine/dns/records.ts";
import { service, shopZone, zoneOf } from "./cluster.ts";

const zone = shopZone();

function ask(name: string, kind: RecordKind): LookupResult {
  return lookup(zone, name === "" ? [] : name.split("."), kind);
}

function data(name: string, kind: RecordKind): unknown[] {
  return ask(name, kind).answers.map((record) => record.data);
}

/** NOERROR, no answer, and the SOA that says how long to remember it. */
function expectNoData(result: LookupResult): void {
  expect(result).toMatchObject({ rcode: "NOERROR", answers: [], isAuthoritative: true });
  expect(result.authorities.map(({ type }) => type)).toEqual(["SOA"]);
}

function expectNameError(result: LookupResult): void {
  expect(result).toMatchObject({ rcode: "NXDOMAIN", answers: [], isAuthoritative: true });
  expect(result.authorities.map(({ type }) => type)).toEqual(["SOA"]);
}

describe("a ClusterIP Service", () => {
  it("has an address record a family, with the TTL of kubeadm's Corefile", () => {
    expect(ask("web.shop.svc.cluster.local", "A").answers).toEqual([
      { type: "A", name: "web.shop.svc.cluster.local", ttl: 30, data: "10.96.0.20" },
    ]);
    expect(data("web.shop.svc.cluster.local", "AAAA")).toEqual(["fd00:96::20"]);
  });

  it("has an SRV for a named port that points to the Service, with its addresses beside it", () => {
    const result = ask("_http._tcp.web.shop.svc.cluster.local", "SRV");
    expect(result.answers.map((record) => record.data)).toEqual([
      { priority: 0, weight: 50, port: 80, target: "web.shop.svc.cluster.local" },
    ]);
    expect(result.additionals.map((record) => [record.type, record.name, record.data])).toEqual([
      ["A", "web.shop.svc.cluster.local", "10.96.0.20"],
      ["AAAA", "web.shop.svc.cluster.local", "fd00:96::20"],
    ]);
  });

  it("lists every port for an SRV question about the Service itself", () => {
    expect(data("web.shop.svc.cluster.local", "SRV")).toMatchObject([{ port: 80 }, { port: 9090 }]);
  });

  it("does not exist under another protocol or an unknown port name", () => {
    expectNameError(ask("_http._udp.web.shop.svc.cluster.local", "SRV"));
    expectNameError(ask("_https._tcp.web.shop.svc.cluster.local", "SRV"));
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
    expectNameError(lookup(pending, "new.shop.svc.cluster.local".split("."), "A"));
  });
});

describe("a headless Service", () => {
  it("has the addresses of its ready endpoints; an unknown readiness counts as ready", () => {
    expect(data("db.shop.svc.cluster.local", "A")).toEqual(["10.244.1.3", "10.244.2.3"]);
  });

  it("exists without records of a family that no endpoint has", () => {
    expectNoData(ask("db.shop.svc.cluster.local", "AAAA"));
  });

  it("names an endpoint by its hostname, and one without by its address", () => {
    expect(data("db-0.db.shop.svc.cluster.local", "A")).toEqual(["10.244.1.3"]);
    expect(data("10-244-2-3.db.shop.svc.cluster.local", "A")).toEqual(["10.244.2.3"]);
    expectNameError(ask("10-244-1-3.db.shop.svc.cluster.local", "A"));
    expectNameError(ask("10-244-2-4.db.shop.svc.cluster.local", "A"));
  });

  it("has an SRV an endpoint, with the endpoint's own port", () => {
    const result = ask("_sql._tcp.db.shop.svc.cluster.local", "SRV");
    expect(result.answers.map((record) => record.data)).toEqual([
      { priority: 0, weight: 50, port: 5433, target: "db-0.db.shop.svc.cluster.local" },
      { priority: 0, weight: 50, port: 5433, target: "10-244-2-3.db.shop.svc.cluster.local" },
    ]);
    expect(result.additionals.map((record) => record.data)).toEqual(["10.244.1.3", "10.244.2.3"]);
  });

  it("does not exist while none of its endpoints is ready", () => {
    expectNameError(ask("nobody.shop.svc.cluster.local", "A"));
  });

  it("has addresses but no SRV when it declares no port", () => {
    expect(data("portless.shop.svc.cluster.local", "A")).toEqual(["10.244.3.3"]);
    expectNoData(ask("portless.shop.svc.cluster.local", "SRV"));
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
    expectNoData(ask("inside.shop.svc.cluster.local", "AAAA"));
  });

  it("that leads back to itself has no answer", () => {
    expectNoData(ask("loop.shop.svc.cluster.local", "A"));
  });

  it("has neither ports nor endpoints", () => {
    expectNoData(ask("outside.shop.svc.cluster.local", "SRV"));
    expectNameError(ask("_http._tcp.outside.shop.svc.cluster.local", "SRV"));
  });

  it("does not exist when its target is an address or cannot be written in DNS", () => {
    expectNameError(ask("address.shop.svc.cluster.local", "A"));
    const long = zoneOf({
      services: [service("long", { type: "ExternalName", externalName: `${"a".repeat(64)}.example` })],
    });
    expectNameError(lookup(long, "long.shop.svc.cluster.local".split("."), "CNAME"));
  });
});

describe("names that stand for no Service", () => {
  it.each([
    "cluster.local",
    "svc.cluster.local",
    "pod.cluster.local",
    "shop.svc.cluster.local",
    "empty.svc.cluster.local",
  ])("%s exists without records", (name) => expectNoData(ask(name, "A")));

  it.each([
    "shop.cluster.local",
    "nowhere.svc.cluster.local",
    "web.nowhere.svc.cluster.local",
    "missing.shop.svc.cluster.local",
    "a.b.c.web.shop.svc.cluster.local",
    "web.shop.pod.cluster.local",
    "constructor.svc.cluster.local",
    "hasownproperty.shop.svc.cluster.local",
  ])("%s does not exist", (name) => expectNameError(ask(name, "A")));

  it("answers any address written as a pod's name in an existing namespace", () => {
    expect(data("10-244-9-9.empty.pod.cluster.local", "A")).toEqual(["10.244.9.9"]);
    expect(data("fd00--9.empty.pod.cluster.local", "AAAA")).toEqual(["fd00::9"]);
    expectNoData(ask("10-244-9-9.empty.pod.cluster.local", "AAAA"));
    expectNoData(ask("10-244-9-9.empty.pod.cluster.local", "SRV"));
    expectNameError(ask("10-244-9-9.nowhere.pod.cluster.local", "A"));
    expectNameError(ask("10-244-9-999.empty.pod.cluster.local", "A"));
  });

  it("tells the version of the schema", () => {
    expect(ask("dns-version.cluster.local", "TXT").answers).toEqual([
      { type: "TXT", name: "dns-version.cluster.local", ttl: 28_800, data: "1.1.0" },
    ]);
    expectNoData(ask("dns-version.cluster.local", "A"));
  });

  it("has the zone's own records at its apex", () => {
    expect(ask("cluster.local", "SOA").answers).toMatchObject([
      {
        type: "SOA",
        name: "cluster.local",
        data: { mname: "ns.dns.cluster.local", rname: "hostmaster.cluster.local", serial: 7 },
      },
    ]);
    expect(data("cluster.local", "NS")).toEqual(["ns.dns.cluster.local"]);
    expect(data("ns.dns.cluster.local", "A")).toEqual(["10.96.0.10"]);
    expectNoData(ask("web.shop.svc.cluster.local", "SOA"));
  });

  it("names the DNS Service as the zone's server where it stands in the zone", () => {
    const dns = service("kube-dns", { clusterIP: "10.96.0.10", ports: [{ port: 53, protocol: "UDP" }] });
    expect(
      lookup(zoneOf({ services: [dns] }), ["cluster", "local"], "NS").answers.map((record) => record.data),
    ).toEqual(["kube-dns.shop.svc.cluster.local"]);
  });

  it("has nobody to ask for names outside the cluster", () => {
    for (const name of ["example.com", "local", "", "notcluster.local", "8.8.8.8.in-addr.arpa"]) {
      expect(ask(name, "A")).toMatchObject({ rcode: "SERVFAIL", isAuthoritative: false, answers: [], authorities: [] });
    }
  });

  it("says of a private address that nobody has what every resolver says", () => {
    expect(ask("1.2.3.10.in-addr.arpa", "PTR")).toMatchObject({ rcode: "NXDOMAIN", isAuthoritative: false });
    expect(ask("1.2.3.10.in-addr.arpa", "PTR").authorities).toMatchObject([{ type: "SOA", name: "10.in-addr.arpa" }]);
  });

  it("has no other type at a reverse name that exists", () => {
    expectNoData(ask("20.0.96.10.in-addr.arpa", "A"));
  });
});

describe("a zone", () => {
  it("is plain JSON", () => {
    expect(JSON.parse(JSON.stringify(zone))).toEqual(zone);
  });

  it("prefers a ClusterIP's name to an endpoint's at the same address", () => {
    const services = [
      service("pods", { clusterIP: "None", ports: [{ port: 80 }] }),
      service("web", { clusterIP: "10.96.0.20", ports: [{ port: 80 }] }),
    ];
    const both = zoneOf({
      services,
      endpointSlices: [{ ...shopSlice("pods", "10.96.0.20") }, { ...shopSlice("web", "10.244.0.1") }],
    });
    expect(both.reverse["10.96.0.20"]).toEqual(["web.shop.svc.cluster.local"]);
  });

  it("takes a cluster domain in any case, with or without its final dot", () => {
    expect(zoneOf({ dnsDomain: "Lab.Example." }).domain).toBe("lab.example");
  });
});

function shopSlice(name: string, address: string) {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice" as const,
    metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4" as const,
    endpoints: [{ addresses: [address] }],
    ports: [{ port: 80 }],
  };
}
