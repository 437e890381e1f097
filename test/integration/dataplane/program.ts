import type { EndpointSlice, NetworkPolicy, Service } from "../../../src/kube/types.ts";
import { listenTcp } from "../../../src/kernel/sockets.ts";
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

const PODS_MTU: Readonly<Record<string, number>> = { vxlan: 1450, "cross-subnet": 1450, sleeve: 1376, fastdp: 1376 };

function mesh(cni: "calico" | "flannel" | "weave", mode: string): Record<string, string> {
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
  const podMtu = PODS_MTU[mode] ?? 1500;
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

function services(cni: "calico" | "flannel" | "weave", mode = "vxlan"): Record<string, unknown> {
  const world = new World(cni, mode, NODES, [
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

/** Node ports, as a host outside (the router between the nodes) and those inside meet them; and clients that are remembered. */
function nodePorts(): Record<string, unknown> {
  const world = new World("calico", "vxlan", NODES, [
    { name: "client", node: "n2" },
    { name: "near", node: "n1", tcp: [8080] },
    { name: "far", node: "n3", tcp: [8080] },
  ]);
  const service = (name: string, clusterIP: string, nodePort: number, spec: Partial<Service["spec"]>): Service => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name },
    spec: { type: "NodePort", clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80, nodePort }], ...spec },
  });
  const slice = (name: string, pods: string[]): EndpointSlice => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    addressType: "IPv4",
    metadata: { namespace: "shop", name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
    endpoints: pods.map((pod) => ({
      addresses: [world.address(pod)],
      conditions: { ready: true },
      nodeName: pod === "near" ? "n1" : "n3",
    })),
    ports: [{ port: 8080 }],
  });
  const affinity = { sessionAffinity: "ClientIP" as const };
  world.applyServices(
    [
      service("any", "10.96.0.10", 30_010, {}),
      service("own", "10.96.0.11", 30_011, { externalTrafficPolicy: "Local" }),
      service("none", "10.96.0.12", 30_012, {}),
      service("same", "10.96.0.13", 30_013, affinity),
    ],
    [slice("any", ["far"]), slice("own", ["near"]), slice("none", []), slice("same", ["near", "far"])],
  );
  const at = (from: string, node: string, port: number): string => world.tcp(from, world.address(node), port);
  const seen = {
    "outside at any node": ["n1", "n2", "n3"].map((node) => at("router", node, 30_010)),
    "outside at nodes, Local": ["n1", "n2"].map((node) => at("router", node, 30_011)),
    "a pod at another node, Local": at("client", "n2", 30_011),
    "a node at itself, Local": at("n2", "n2", 30_011),
    "outside, no endpoints": at("router", "n1", 30_012),
    "outside, nobody's port": at("router", "n1", 30_999),
  };
  const tries = Array.from({ length: 20 }, () => world.tcp("client", "10.96.0.13", 80));
  const sets = world.run("n2", ["nft", "list", "table", "ip", "kube-proxy"]).output.split("set affinity-").slice(1);
  return {
    ...seen,
    affinity: tries.filter((outcome) => outcome === "open").length,
    "endpoints that remember the client": sets.filter((text) =>
      (text.split("}")[0] ?? "").includes(world.address("client")),
    ).length,
  };
}

/** Addresses of those that have connected to a host since it was asked before. */
function newPeers(world: World, host: string, known: Set<string>): string[] {
  const lines = world
    .run(host, ["ss", "-Htan", "state", "established", "state", "close-wait"])
    .output.trim()
    .split("\n");
  const ends = lines.map((line) => line.trim().split(/\s+/).at(-1) ?? "").filter((end) => end !== "");
  const fresh = ends.filter((end) => !known.has(end));
  for (const end of fresh) known.add(end);
  return [...new Set(fresh.map((end) => end.split(":")[0] ?? ""))];
}

/** What pods and nodes see of each other where all are on one segment. */
function weaveSegment(): Record<string, unknown> {
  const world = new World("weave", "fastdp", NODES, [
    { name: "near", node: "n1" },
    { name: "second", node: "n1" },
    { name: "far", node: "n3", tcp: [80] },
  ]);
  const far = world.address("far");
  const onlyHop = (to: string): string =>
    world.run("near", ["ping", "-c1", "-W0.3", "-n", "-t1", to]).status === 0 ? "answer" : "no answer";
  const hops = {
    "near → second": onlyHop(world.address("second")),
    "near → far": onlyHop(far),
    "near → outside": onlyHop("172.30.2.1"),
  };
  const lladdr = /lladdr ([0-9a-f:]+)/.exec(world.run("near", ["ip", "neigh", "show", far]).output)?.[1];
  const own = /link\/ether ([0-9a-f:]+)/.exec(world.run("far", ["ip", "link", "show", "eth0"]).output)?.[1];

  const known = new Set<string>();
  const sourceOf = (from: string): string => {
    const outcome = world.tcp(from, far, 80);
    return outcome === "open" ? newPeers(world, "far", known).join(", ") : outcome;
  };
  const route = (node: string): void => {
    world.run("router", ["ip", "route", "replace", `${far}/32`, "via", world.address(node)]);
  };
  const sources: Record<string, string> = {
    "a pod of another node": sourceOf("near"),
    "another node": sourceOf("n2"),
    "its own node": sourceOf("n3"),
  };
  route("n3");
  sources["the outside at its node, Local"] = sourceOf("router");
  route("n2");
  sources["the outside at another node"] = sourceOf("router");
  world.hosts.get("router")?.namespace.enter(() => listenTcp("0.0.0.0", 9000));
  world.tcp("near", "172.30.1.1", 9000);
  sources["a pod, seen outside"] = newPeers(world, "router", new Set())
    .filter((peer) => peer !== far)
    .join(", ");
  return {
    addresses: Object.fromEntries(["near", "second", "far"].map((name) => [name, world.address(name)])),
    hops,
    arp: { "far, as near knows it": lladdr, "far's own": own },
    sources,
  };
}

function weavePolicies(): Record<string, unknown> {
  const world = new World("weave", "sleeve", NODES, [
    { name: "web", node: "n1", labels: { app: "web" } },
    { name: "db", node: "n1", labels: { app: "db" }, tcp: [5432] },
    { name: "far", node: "n3", labels: { app: "far" }, tcp: [5432] },
  ]);
  const at = (from: string, to: string): string => world.tcp(from, world.address(to), 5432);
  const tryAll = (): Record<string, string> => ({
    "web → db": at("web", "db"),
    "web → far": at("web", "far"),
    "far → db": at("far", "db"),
    "own node → db": at("n1", "db"),
    "web ping its node": world.ping("web", world.address("n1")),
  });
  world.applyPolicies([]);
  const open = tryAll();
  const deny = policy("deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
  world.applyPolicies([deny]);
  const denied = tryAll();
  const nameOf = new Map(["web", "db", "far"].map((name) => [world.address(name), name]));
  const drops = ["n1", "n2", "n3"].flatMap((node) =>
    (["egress", "ingress"] as const).flatMap((direction) =>
      world
        .evidence(node, "inet weave-npc", `drops-${direction}`)
        .map((element) => `${direction} of ${nameOf.get(element.split(" ")[0] ?? "")} by ${node}`),
    ),
  );
  const peer = (app: string): { podSelector: { matchLabels: { app: string } } } => ({
    podSelector: { matchLabels: { app } },
  });
  world.applyPolicies([
    deny,
    policy("db", { ...peer("db"), ingress: [{ from: [peer("web")], ports: [{ port: 5432 }] }] }),
    policy("web", { ...peer("web"), policyTypes: ["Egress"], egress: [{ to: [peer("db")] }] }),
  ]);
  return { open, denied, allowed: tryAll(), drops: drops.toSorted() };
}

/** What rules of SCTP make of the first packet of an association. */
function sctp(): Record<string, unknown> {
  const nodes = NODES.filter(({ name }) => name !== "n2");
  const world = new World("calico", "vxlan", nodes, [
    { name: "web", node: "n1", labels: { app: "web" } },
    { name: "db", node: "n3", labels: { app: "db" }, tcp: [3869] },
  ]);
  const metadata = { namespace: "shop", name: "diameter" };
  const ports = [{ port: 3868, nodePort: 30_868, protocol: "SCTP" as const }];
  const clusterIP = "10.96.0.10";
  world.applyServices(
    [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata,
        spec: { type: "NodePort", clusterIP, clusterIPs: [clusterIP], ports },
      },
    ],
    [
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        addressType: "IPv4",
        metadata: { ...metadata, labels: { "kubernetes.io/service-name": metadata.name } },
        endpoints: [{ addresses: [world.address("db")], conditions: { ready: true } }],
        ports: [{ port: 3869, protocol: "SCTP" }],
      },
    ],
  );
  const tryAll = (): Record<string, unknown> => ({
    "the Service": world.sctp("web", clusterIP, 3868, "db"),
    "the pod": world.sctp("web", world.address("db"), 3869, "db"),
    "another port of the pod": world.sctp("web", world.address("db"), 4000, "db"),
    "the pod, TCP": world.tcp("web", world.address("db"), 3869),
  });
  const hostPorts = [{ containerPort: 3869, hostPort: 3870, protocol: "SCTP" as const }];
  world.applyHostPorts(
    "n3",
    world.pods
      .filter(({ metadata: { name } }) => name === "db")
      .map((pod) => ({ ...pod, spec: { containers: [{ name: "main", image: "server", ports: hostPorts }] } })),
  );
  const open = {
    ...tryAll(),
    "the host port": world.sctp("web", world.address("n3"), 3870, "db"),
    "the node port, from outside": world.sctp("router", world.address("n1"), 30_868, "db"),
    "the Service, TCP": world.tcp("web", clusterIP, 3868),
  };
  const ingress = (
    ...allowed: NonNullable<NonNullable<NetworkPolicy["spec"]["ingress"]>[number]["ports"]>
  ): unknown => {
    world.applyPolicies([policy("db", { podSelector: { matchLabels: { app: "db" } }, ingress: [{ ports: allowed }] })]);
    return tryAll();
  };
  return {
    open,
    "3869/SCTP": ingress({ port: 3869, protocol: "SCTP" }),
    "a range": ingress({ port: 3869, endPort: 4000, protocol: "SCTP" }),
    "3869/TCP": ingress({ port: 3869 }),
    drops: world.evidence("n3", "inet calico", "drops-ingress").filter((drop) => drop.includes(" 132 ")).length,
  };
}

const cases: Record<string, () => unknown> = {
  "mesh flannel vxlan": () => mesh("flannel", "vxlan"),
  "mesh flannel host-gw": () => mesh("flannel", "host-gw"),
  "mesh calico vxlan": () => mesh("calico", "vxlan"),
  "mesh calico cross-subnet": () => mesh("calico", "cross-subnet"),
  "mesh calico direct": () => mesh("calico", "direct"),
  "mesh weave sleeve": () => mesh("weave", "sleeve"),
  "mesh weave fastdp": () => mesh("weave", "fastdp"),
  policies,
  "services calico": () => services("calico"),
  "services flannel": () => services("flannel"),
  "services weave": () => services("weave", "sleeve"),
  "weave segment": weaveSegment,
  "weave policies": weavePolicies,
  "node ports": nodePorts,
  sctp,
};

const chosen = cases[process.argv[2] ?? ""];
if (chosen === undefined) throw new Error(`no case "${process.argv[2]}"`);
console.log(JSON.stringify(chosen()));
// Sockets opened through libc keep nothing alive, but koffi's library handles and the namespaces end with us.
process.exit(0);
