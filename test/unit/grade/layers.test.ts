import { describe, expect, test } from "vitest";
import { stoppedAt, type EndFact, type FlowFacts, type HopFact, type ServiceFact } from "../../../src/grade/layers.ts";

const service: ServiceFact = {
  name: "shop/web",
  isThere: true,
  port: { number: 80, protocol: "TCP" },
  ports: ["80/TCP → 8080", "443/TCP → 8443"],
  selector: "app=web",
  selected: 1,
  workloads: [],
  ready: 1,
  notReady: [],
};

const hop = (place: string, towards: HopFact["towards"], more: Partial<HopFact> = {}): HopFact => ({
  place,
  towards,
  address: towards === "destination" ? "10.0.2.1" : "10.0.1.1",
  linksDown: [],
  route: "10.0.0.0/16 dev eth0",
  ...more,
});

const end: EndFact = {
  name: "shop/web-1",
  address: "10.0.2.1",
  port: 8080,
  protocol: "tcp",
  isDeclared: true,
  listeners: [{ address: "0.0.0.0", port: 8080 }],
  hops: [
    hop("shop/client", "destination"),
    hop("node/worker1", "destination"),
    hop("shop/web-1", "source"),
    hop("node/worker2", "source"),
  ],
  between: { from: "worker1", to: "worker2", isReached: true, detail: "answered" },
  sizes: {
    small: { bytes: 84, isAnswered: true, detail: "answered" },
    large: { bytes: 1450, isAnswered: true, detail: "answered" },
  },
};

const well: FlowFacts = { source: { name: "shop/client" }, service, ends: [end], unseen: [] };

/** Broken from the last layer to the first: each further one has to win over all that were broken before. */
const breaks: [layer: string, text: RegExp, broken: (facts: FlowFacts) => FlowFacts][] = [
  [
    "mtu",
    /packets of 1450 bytes do not come to shop\/web-1/,
    (facts) => ends(facts, (each) => ({ ...each, sizes: large(each, false) })),
  ],
  ["route", /^the way back: node\/worker2 has no route/, (facts) => hops(facts, 3, { routeTrouble: "unreachable" })],
  [
    "link",
    /^the way back: node\/worker2 has a link that is down: eth0/,
    (facts) => hops(facts, 3, { linksDown: ["eth0"] }),
  ],
  [
    "listener",
    /nothing listens on port 8080\/TCP of shop\/web-1/,
    (facts) => ends(facts, (each) => ({ ...each, listeners: [] })),
  ],
  [
    "service",
    /Service shop\/web sends to port 8080\/TCP, on which/,
    (facts) => ends(facts, (each) => ({ ...each, isDeclared: false, listeners: [{ address: "*", port: 80 }] })),
  ],
  // A link at either end explains why the nodes do not reach each other, before the network between them does.
  ["link", /^node\/worker2 has a link that is down/, (facts) => ends(facts, cutBetween)],
  ["link", /the network between worker1 and worker2/, (facts) => ends(hops(facts, 3, { linksDown: [] }), cutBetween)],
  [
    "route",
    /^node\/worker1 has no route to 10\.0\.2\.1/,
    (facts) => hops(facts, 1, { routeTrouble: "only its default route" }),
  ],
  ["link", /^node\/worker1 has a link that is down: eth0/, (facts) => hops(facts, 1, { linksDown: ["eth0"] })],
  [
    "policy",
    /egress policy on worker1/,
    (facts) => ({ ...facts, drop: { node: "worker1", direction: "egress", record: "counted" } }),
  ],
  ["destination", /shop\/web-1 is Pending/, (facts) => ends(facts, (each) => ({ ...each, trouble: "is Pending" }))],
  [
    "service",
    /kube-proxy's rules on worker1 do not follow/,
    (facts) =>
      serves(facts, { rules: { node: "worker1", leadTo: ["10.0.2.9:8080"], shouldLeadTo: ["10.0.2.1:8080"] } }),
  ],
  [
    "endpoints",
    /no ready endpoint for port 80\/TCP/,
    (facts) => serves(facts, { ready: 0, notReady: ["shop/web-1 is not ready"] }),
  ],
  ["service", /selects no pod/, (facts) => serves(facts, { selected: 0, ready: 0, notReady: [] })],
  ["service", /has no port 80\/TCP/, (facts) => serves(facts, { ports: ["8080/TCP → 8080"] })],
  ["service", /has no IPv6 address/, (facts) => serves(facts, { lacksFamily: "IPv6" })],
  ["service", /has no address of a load balancer/, (facts) => serves(facts, { isPending: true })],
  ["service", /does not exist/, (facts) => serves(facts, { isThere: false })],
  [
    "source",
    /shop\/client does not exist/,
    (facts) => ({ ...facts, source: { name: "shop/client", trouble: "does not exist" } }),
  ],
];

function ends(facts: FlowFacts, change: (each: EndFact) => EndFact): FlowFacts {
  return { ...facts, ends: facts.ends.map(change) };
}

function hops(facts: FlowFacts, index: number, more: Partial<HopFact>): FlowFacts {
  return ends(facts, (each) => ({
    ...each,
    hops: each.hops.map((own, at) => (at === index ? { ...own, ...more } : own)),
  }));
}

function serves(facts: FlowFacts, more: Partial<ServiceFact>): FlowFacts {
  return { ...facts, service: { ...service, ...facts.service, ...more } };
}

function large(each: EndFact, isAnswered: boolean): NonNullable<EndFact["sizes"]> {
  const sizes = each.sizes ?? {
    small: { bytes: 84, isAnswered: true, detail: "" },
    large: { bytes: 1450, isAnswered, detail: "" },
  };
  return { ...sizes, large: { ...sizes.large, isAnswered, detail: "no answer" } };
}

function cutBetween(each: EndFact): EndFact {
  return { ...each, between: { from: "worker1", to: "worker2", isReached: false, detail: "no answer" } };
}

describe("the layer at which a flow stopped", () => {
  test("is the first that is broken, from the source to the destination and back", () => {
    let facts = well;
    for (const [layer, text, broken] of breaks) {
      facts = broken(facts);
      const found = stoppedAt(facts);
      expect([found.name, found.text]).toEqual([layer, expect.stringMatching(text)]);
      expect(found.fact).not.toBe("");
    }
  });

  test("is each of them where it alone is broken", () => {
    const alone = breaks.filter(([, text]) => !text.source.startsWith("^node\\/worker2"));
    for (const [layer, , broken] of alone) expect(stoppedAt(broken(well)).name).toBe(layer);
  });

  test("is unknown where all is well, and says what was not looked at", () => {
    expect(stoppedAt(well)).toEqual({
      name: "unknown",
      text: "all that was looked at is well",
      fact: "all layers were looked at",
    });
    expect(stoppedAt({ ...well, unseen: ["routes", "links"] }).fact).toBe("not looked at: routes, links");
  });

  test("is no length where small packets do not come either", () => {
    const facts = ends(well, (each) => {
      const sizes = large(each, false);
      return { ...each, sizes: { ...sizes, small: { ...sizes.small, isAnswered: false } } };
    });
    expect(stoppedAt(facts).name).toBe("unknown");
  });

  test.each([
    ["0.0.0.0", "10.0.2.1", true],
    ["10.0.2.1", "10.0.2.1", true],
    ["*", "fd00::1", true],
    ["[::]", "10.0.2.1", true],
    ["[::ffff:10.0.2.1]", "10.0.2.1", true],
    ["0.0.0.0", "fd00::1", false],
    ["127.0.0.1", "10.0.2.1", false],
    ["[::1]", "fd00::1", false],
    ["127.0.0.53%lo", "10.0.2.1", false],
  ])("a socket of %s takes what comes to %s: %s", (address, to, takes) => {
    const facts = ends(well, (each) => ({ ...each, address: to, listeners: [{ address, port: 8080 }] }));
    expect(stoppedAt(facts).name).toBe(takes ? "unknown" : "listener");
    if (!takes) expect(stoppedAt(facts).text).toContain(`only on ${address}`);
  });

  test("of a name is the name, unless its question is stopped on its way", () => {
    const lookup = { name: "web.shop", said: "DNS answered NXDOMAIN" };
    expect(stoppedAt({ ...well, lookup })).toEqual({
      name: "name",
      text: "web.shop does not resolve as expected",
      fact: "DNS answered NXDOMAIN",
    });
    const stopped = stoppedAt({ ...serves(well, { ready: 0, notReady: ["coredns is not ready"] }), lookup });
    expect(stopped.name).toBe("name");
    expect(stopped.fact).toBe("DNS answered NXDOMAIN; coredns is not ready");
    const dropped = stoppedAt({ ...well, lookup, drop: { node: "worker1", direction: "egress", record: "counted" } });
    expect(dropped).toMatchObject({
      name: "policy",
      text: "the question for web.shop: egress policy on worker1 dropped it",
    });
    expect(stoppedAt({ ...hops(well, 1, { linksDown: ["eth0"] }), lookup }).name).toBe("link");
  });

  test("of a Service whose pods are none is its endpoints where a workload would make them", () => {
    const facts = serves(well, { selected: 0, ready: 0, workloads: ["Deployment shop/web (0 replicas)"] });
    expect(stoppedAt(facts)).toMatchObject({
      name: "endpoints",
      fact: "no pod is there of Deployment shop/web (0 replicas)",
    });
  });

  test("of a ping of a Service is the Service", () => {
    const { port: _, ...portless } = service;
    expect(stoppedAt({ ...well, service: portless, ends: [] })).toMatchObject({
      name: "service",
      text: "the address of Service shop/web answers on its ports alone",
    });
  });

  const without = <Whole extends object>(whole: Whole, absent: keyof Whole): Whole =>
    Object.fromEntries(Object.entries(whole).filter(([name]) => name !== absent)) as Whole;
  const lost = { bytes: 1450, isAnswered: false, detail: "no answer" };

  test.each<[what: string, facts: FlowFacts, text: string, fact: string]>([
    [
      "a Service without ports that is pinged",
      { ...well, service: without({ ...service, ports: [] }, "port") },
      "the address of Service shop/web answers on its ports alone",
      "it has no ports",
    ],
    [
      "a Service that has other ports",
      serves(well, { ports: ["8080/TCP → 8080", "53/UDP → 53"] }),
      "Service shop/web has no port 80/TCP",
      "it has ports 8080/TCP → 8080, 53/UDP → 53",
    ],
    [
      "rules that lead nowhere",
      serves(well, { rules: { node: "worker1", leadTo: [], shouldLeadTo: ["10.0.2.1:8080", "10.0.2.2:8080"] } }),
      "kube-proxy's rules on worker1 do not follow Service shop/web",
      "they lead nowhere; its ready endpoints are 10.0.2.1:8080, 10.0.2.2:8080",
    ],
    [
      "rules that lack an endpoint",
      serves(well, { rules: { node: "worker1", leadTo: ["10.0.2.1:1"], shouldLeadTo: ["10.0.2.1:1", "10.0.2.2:1"] } }),
      "kube-proxy's rules on worker1 do not follow Service shop/web",
      "they lead to 10.0.2.1:1; its ready endpoints are 10.0.2.1:1, 10.0.2.2:1",
    ],
    [
      "rules that lead to one endpoint too many",
      serves(well, { rules: { node: "worker1", leadTo: ["10.0.2.1:1", "10.0.2.2:1"], shouldLeadTo: ["10.0.2.1:1"] } }),
      "kube-proxy's rules on worker1 do not follow Service shop/web",
      "they lead to 10.0.2.1:1, 10.0.2.2:1; its ready endpoints are 10.0.2.1:1",
    ],
    [
      "rules of which one endpoint is another",
      serves(well, { rules: { node: "worker1", leadTo: ["a:1", "b:1"], shouldLeadTo: ["a:1", "c:1"] } }),
      "kube-proxy's rules on worker1 do not follow Service shop/web",
      "they lead to a:1, b:1; its ready endpoints are a:1, c:1",
    ],
    [
      "rules that lead where they should, in another order",
      serves(well, { rules: { node: "worker1", leadTo: ["b:1", "a:1"], shouldLeadTo: ["a:1", "b:1"] } }),
      "all that was looked at is well",
      "all layers were looked at",
    ],
    [
      "a Service without selector and endpoints",
      { ...well, service: without({ ...service, selected: 0, ready: 0 }, "selector") },
      "Service shop/web has no ready endpoint for port 80/TCP",
      "it has no endpoints",
    ],
    [
      "workloads without pods",
      serves(well, { selected: 0, ready: 0, workloads: ["Deployment shop/a (0 replicas)", "Deployment shop/b"] }),
      "Service shop/web has no ready endpoint for port 80/TCP",
      "no pod is there of Deployment shop/a (0 replicas), Deployment shop/b",
    ],
    [
      "pods that are not ready",
      serves(well, { ready: 0, notReady: ["shop/web-1 is not ready", "shop/web-2 is ending"] }),
      "Service shop/web has no ready endpoint for port 80/TCP",
      "shop/web-1 is not ready; shop/web-2 is ending",
    ],
    [
      "two links that are down",
      hops(well, 1, { linksDown: ["eth0", "vxlan"] }),
      "node/worker1 has a link that is down: eth0, vxlan",
      "eth0 is not up",
    ],
    [
      "no route at all",
      ends(well, (each) => ({ ...each, hops: each.hops.map((own, at) => (at === 1 ? without(own, "route") : own)) })),
      "node/worker1 has no route to 10.0.2.1",
      "the kernel finds none",
    ],
    [
      "a route that is none",
      hops(well, 3, { routeTrouble: "only the default route fits" }),
      "the way back: node/worker2 has no route to 10.0.1.1",
      "only the default route fits",
    ],
    [
      "two links of the other end that are down",
      ends(hops(well, 3, { linksDown: ["eth0", "wg0"] }), cutBetween),
      "node/worker2 has a link that is down: eth0, wg0",
      "eth0 is not up",
    ],
    [
      "nodes that were not asked to reach each other, whose way back is cut",
      ends(hops(well, 3, { linksDown: ["eth0"] }), (each) => without(each, "between")),
      "the way back: node/worker2 has a link that is down: eth0",
      "eth0 is not up",
    ],
    [
      "listeners on other ports of a pod that declares the port",
      ends(well, (each) => ({
        ...each,
        listeners: [
          { address: "*", port: 80 },
          { address: "[::1]", port: 9090 },
        ],
      })),
      "nothing listens on port 8080/TCP of shop/web-1",
      "shop/web-1 listens on *:80, [::1]:9090",
    ],
    [
      "a pod that listens on nothing and declares nothing",
      ends(well, (each) => ({ ...each, isDeclared: false, listeners: [] })),
      "nothing listens on port 8080/TCP of shop/web-1",
      "shop/web-1 listens on nothing",
    ],
    [
      "another port of a pod, asked without a Service",
      ends(without(well, "service"), (each) => ({
        ...each,
        isDeclared: false,
        listeners: [{ address: "*", port: 80 }],
      })),
      "nothing listens on port 8080/TCP of shop/web-1",
      "shop/web-1 listens on *:80",
    ],
    [
      "sockets of other addresses",
      ends(well, (each) => ({
        ...each,
        listeners: [
          { address: "127.0.0.1", port: 8080 },
          { address: "10.0.2.1%eth1x", port: 80 },
          { address: "[::1]", port: 8080 },
        ],
      })),
      "shop/web-1 listens on port 8080/TCP, but only on 127.0.0.1, [::1]",
      "shop/web-1 listens on 127.0.0.1:8080, 10.0.2.1%eth1x:80, [::1]:8080",
    ],
    [
      "a socket of the address on a link",
      ends(well, (each) => ({ ...each, listeners: [{ address: "10.0.2.1%eth0", port: 8080 }] })),
      "all that was looked at is well",
      "all layers were looked at",
    ],
    [
      "an end whose sockets were not looked at",
      ends(well, (each) => without(each, "listeners")),
      "all that was looked at is well",
      "all layers were looked at",
    ],
    [
      "an end without a port",
      ends(well, (each) => without({ ...each, listeners: [] }, "port")),
      "all that was looked at is well",
      "all layers were looked at",
    ],
    [
      "an end whose sizes were not looked at",
      ends(well, (each) => without(each, "sizes")),
      "all that was looked at is well",
      "all layers were looked at",
    ],
    [
      "what is too long",
      ends(well, (each) => ({ ...each, sizes: large(each, false) })),
      "packets of 1450 bytes do not come to shop/web-1, small ones do",
      "84 bytes: answered; 1450 bytes: no answer",
    ],
    [
      "what is too long for a link that is known",
      ends(well, (each) => ({
        ...each,
        sizes: {
          small: { bytes: 84, isAnswered: true, detail: "answered" },
          large: lost,
          narrowest: "node/worker1 eth0: 1400",
        },
      })),
      "packets of 1450 bytes do not come to shop/web-1, small ones do",
      "84 bytes: answered; 1450 bytes: no answer; node/worker1 eth0: 1400",
    ],
    [
      "a name whose DNS server has no endpoint",
      {
        ...serves(well, { ready: 0, notReady: ["coredns is not ready"] }),
        lookup: { name: "web.shop", said: "no answer" },
      },
      "web.shop does not resolve as expected; of the DNS server: Service shop/web has no ready endpoint for port 80/TCP",
      "no answer; coredns is not ready",
    ],
    [
      "a name that is asked of a server that is no Service",
      { ...without(well, "service"), lookup: { name: "web.shop", said: "DNS answered NXDOMAIN" } },
      "web.shop does not resolve as expected",
      "DNS answered NXDOMAIN",
    ],
  ])("is told with what was found: %s", (_what, facts, text, fact) => {
    expect(stoppedAt(facts)).toMatchObject({ text, fact });
  });
});
