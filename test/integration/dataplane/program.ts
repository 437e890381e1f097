import type { EndpointSlice, NetworkPolicy, Service } from "../../../src/kube/types.ts";
import { World } from "./world.ts";

/*
 * Run by dataplane.test.ts inside namespaces of its own: makes the cluster of one case, tries it, prints what it saw as
 * one JSON object.
 */

const NODES = [
  { name: "n1", network: 1 },
  { name: "n2", network: 1 },
  { name: "n3", network: 2 },
];

function mesh(cni: "calico" | "flannel", mode: string): Record<string, string> {
  const pods = NODES.map(({ name }) => ({ name: `on-${name}`, node: name, tcp: [80] }));
  const world = new World(cni, mode, NODES, [...pods, { name: "second", node: "n1", tcp: [80] }]);
  const names = [...pods.map(({ name }) => name), "second"];
  const seen: Record<string, string> = {};
  for (const from of names) {
    for (const to of names) seen[`${from} → ${to}`] = world.tcp(from, world.address(to), 80);
  }
  seen["node n1 → on-n2"] = world.tcp("n1", world.address("on-n2"), 80);
  // The router has no route to pods: it answers only to what was masqueraded.
  seen["on-n1 → outside"] = world.ping("on-n1", "172.30.2.1");
  const encapsulated = mode === "vxlan" || mode === "cross-subnet";
  const podMtu = encapsulated ? 1450 : 1500;
  seen["full MTU to on-n2"] = world.ping("on-n1", world.address("on-n2"), podMtu - 28);
  seen["a byte more"] = world.ping("on-n1", world.address("on-n2"), podMtu - 27);
  return seen;
}

function policy(name: string, spec: NetworkPolicy["spec"]): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace: "shop", name },
    spec,
  };
}

function policies(): Record<string, unknown> {
  const world = new World("calico", "vxlan", NODES, [
    { name: "web", node: "n1", labels: { app: "web" }, tcp: [80], udp: [53] },
    {
      name: "db",
      node: "n1",
      labels: { app: "db" },
      tcp: [5432, 80],
      udp: [53],
      named: { pg: 5432 },
    },
    {
      name: "far",
      node: "n3",
      labels: { app: "far" },
      tcp: [80, 8085],
      udp: [53],
      named: { pg: 80 },
    },
  ]);
  const tryAll = (): Record<string, string> => ({
    "web → db:5432": world.tcp("web", world.address("db"), 5432),
    "web → db:80": world.tcp("web", world.address("db"), 80),
    "far → db:5432": world.tcp("far", world.address("db"), 5432),
    "web → db:53/udp": world.udp("web", "db", 53),
    "web → far:80": world.tcp("web", world.address("far"), 80),
    "web → far:8085": world.tcp("web", world.address("far"), 8085),
    "web ping db": world.ping("web", world.address("db")),
    "web ping far": world.ping("web", world.address("far")),
    "web ping its node": world.ping("web", world.address("n1")),
    "node ping web": world.ping("n1", world.address("web")),
    "other node → web:80": world.tcp("n2", world.address("web"), 80),
  });
  world.applyPolicies([]);
  const open = tryAll();
  world.applyPolicies([policy("deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] })]);
  const denied = tryAll();
  const [web, db] = [world.address("web"), world.address("db")];
  const withoutPort = (element: string): string => element.replace(/^(\S+ \S+ \S+) \d+ /, "$1 * ");
  const evidence = {
    egress: world.evidence("n1", "inet calico", "drops-egress").map(withoutPort),
    egressIcmp: world.evidence("n1", "inet calico", "drops-egress-icmp"),
    ingress: world.evidence("n1", "inet calico", "drops-ingress").map(withoutPort),
  };
  world.applyPolicies([
    policy("deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }),
    policy("db", {
      podSelector: { matchLabels: { app: "db" } },
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { app: "web" } } }],
          ports: [{ port: "pg" }, { port: 53, protocol: "UDP" }],
        },
      ],
    }),
    policy("web", {
      podSelector: { matchLabels: { app: "web" } },
      policyTypes: ["Egress"],
      egress: [{ ports: [{ port: "pg" }, { port: 53, protocol: "UDP" }, { port: 8080, endPort: 8090 }] }],
    }),
    policy("far", {
      podSelector: { matchLabels: { app: "far" } },
      ingress: [{ from: [{ ipBlock: { cidr: "192.168.0.0/16", except: [`${db}/32`] } }] }],
    }),
  ]);
  return {
    open,
    denied,
    evidence,
    allowed: tryAll(),
    addresses: { web, db, far: world.address("far"), n1: world.address("n1") },
  };
}

function services(cni: "calico" | "flannel"): Record<string, unknown> {
  const world = new World(cni, "vxlan", NODES, [
    { name: "client", node: "n1" },
    { name: "near", node: "n1", tcp: [8080] },
    { name: "mid", node: "n2", tcp: [8080] },
    { name: "far", node: "n3", tcp: [8080] },
  ]);
  const service = (name: string, clusterIP: string): Service => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: "http", port: 80 }] },
  });
  const slice = (name: string, pods: string[]): EndpointSlice => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    addressType: "IPv4",
    metadata: {
      namespace: "shop",
      name: `${name}-1`,
      labels: { "kubernetes.io/service-name": name },
    },
    endpoints: pods.map((pod) => ({
      addresses: [world.address(pod)],
      conditions: { ready: true },
    })),
    ports: [{ name: "http", port: 8080 }],
  });
  world.applyServices(
    [service("spread", "10.96.0.10"), service("empty", "10.96.0.11"), service("own", "10.96.0.12")],
    [slice("spread", ["mid", "far"]), slice("own", ["far"])],
  );
  const tries = Array.from({ length: 64 }, () => world.tcp("client", "10.96.0.10", 80));
  const used = world
    .run("n1", ["nft", "list", "ruleset"])
    .output.split("\n")
    .filter((line) => line.includes("dnat to")).length;
  return {
    answered: tries.filter((outcome) => outcome === "open").length,
    endpointRules: used,
    "from a node": world.tcp("n2", "10.96.0.10", 80),
    "to itself": world.tcp("far", "10.96.0.12", 80),
    "no endpoints": world.tcp("client", "10.96.0.11", 80),
    "wrong port": world.tcp("client", "10.96.0.10", 81),
    "nobody's address": world.tcp("client", "10.96.0.99", 80),
    ping: world.ping("client", "10.96.0.10"),
    rejects: world.evidence("n1", "ip kube-proxy", "rejects").length,
    drops: world.evidence("n1", "ip kube-proxy", "drops").length,
  };
}

const cases: Record<string, () => unknown> = {
  "mesh flannel vxlan": () => mesh("flannel", "vxlan"),
  "mesh flannel host-gw": () => mesh("flannel", "host-gw"),
  "mesh calico vxlan": () => mesh("calico", "vxlan"),
  "mesh calico cross-subnet": () => mesh("calico", "cross-subnet"),
  "mesh calico direct": () => mesh("calico", "direct"),
  policies,
  "services calico": () => services("calico"),
  "services flannel": () => services("flannel"),
};

const chosen = cases[process.argv[2] ?? ""];
if (chosen === undefined) throw new Error(`no case "${process.argv[2]}"`);
console.log(JSON.stringify(chosen()));
// Sockets opened through libc keep nothing alive, but koffi's library handles and the namespaces end with us.
process.exit(0);
