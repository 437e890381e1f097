import type { StoppedAt } from "./types.ts";

/** A pod, node or host, as it was found. */
export interface PlaceFact {
  /** As reports name it. */
  name: string;
  /** Why it cannot take part: "does not exist", "is Pending on worker1: …"; absent where it runs. */
  trouble?: string;
}

/** The Service that a flow is aimed at, or that has the node port. */
export interface ServiceFact {
  /** `NAMESPACE/NAME`. */
  name: string;
  isThere: boolean;
  /** Of the flow; absent for a ping. */
  port?: { number: number; protocol: string };
  /** `80/TCP → 8080`, one a port. */
  ports: string[];
  /** Absent where it has none. */
  selector?: string;
  /** Pods that the selector matches. */
  selected: number;
  /** Workloads that would make such pods: `Deployment shop/web (0 replicas)`. */
  workloads: string[];
  /** Endpoints of the port that get traffic. */
  ready: number;
  /** Why each of the others does not: "shop/web-1 is not ready". */
  notReady: string[];
  /** The family that was asked for and that it has no address of. */
  lacksFamily?: string;
  /** It waits for the address of a load balancer, at which it was to be reached. */
  isPending?: true;
  /** Where kube-proxy's rules of a node lead, as ADDRESS:PORT, and where they should. */
  rules?: { node: string; leadTo: string[]; shouldLeadTo: string[] };
}

/** A socket that takes connections or datagrams. */
export interface Listener {
  /** `0.0.0.0`, `*`, `[::]`, `127.0.0.1`, … as ss(8) prints it. */
  address: string;
  port: number;
}

/** What a place's own tables say of one direction of a flow. */
export interface HopFact {
  place: string;
  towards: "destination" | "source";
  /** Where to. */
  address: string;
  /** Links that it would need and that are down. */
  linksDown: string[];
  /** As ip-route(8) prints it; absent where there is none. */
  route?: string;
  /** Why the route is none for this address: only the default one, which leads out of the cluster; a blackhole. */
  routeTrouble?: string;
}

/** A place where a flow may end, with the way to it. */
export interface EndFact extends PlaceFact {
  address: string;
  port?: number;
  protocol: "tcp" | "udp" | "icmp";
  /** Whether its containers declare the port. */
  isDeclared: boolean;
  /** Absent where it was not looked at, or the flow has no port. */
  listeners?: Listener[];
  /** In the order in which the flow meets them: from the source, then back from the destination. */
  hops: HopFact[];
  /** Two nodes on the way, where they were asked to reach each other. */
  between?: { from: string; to: string; isReached: boolean; detail: string };
  /** Echo requests that nobody may fragment. */
  sizes?: { small: SizeFact; large: SizeFact; narrowest?: string };
}

/** What became of a packet of a size, in bytes with its headers. */
export interface SizeFact {
  bytes: number;
  isAnswered: boolean;
  detail: string;
}

/** All that was looked up about one flow that did not do what it should. */
export interface FlowFacts {
  source: PlaceFact;
  /** A name that did not resolve, and what DNS said. */
  lookup?: { name: string; said: string };
  service?: ServiceFact;
  ends: EndFact[];
  /** A policy's rule that dropped it: where, and what the rule's own record shows. */
  drop?: { node: string; direction: "ingress" | "egress"; record: string };
  /** What could not be looked at, for who reads "unknown". */
  unseen: string[];
}

/** The first broken layer of a flow, from its source on. Pure: only what the facts say. */
export function stoppedAt(facts: FlowFacts): StoppedAt {
  const { source, lookup, ends, drop, service } = facts;
  if (source.trouble !== undefined) return at("source", `${source.name} ${source.trouble}`, source.trouble);
  if (lookup !== undefined) return lookupStopped(facts, lookup);
  return (
    (service === undefined ? undefined : serviceStopped(service)) ??
    first(ends, ({ name, trouble }) =>
      trouble === undefined ? undefined : at("destination", `${name} ${trouble}`, trouble),
    ) ??
    (drop === undefined ? undefined : dropped(drop)) ??
    first(ends, (end) => wayStopped(end, "destination")) ??
    first(ends, (end) => notListening(end, service)) ??
    first(ends, (end) => wayStopped(end, "source")) ??
    first(ends, tooLong) ??
    unknown(facts)
  );
}

/** A name is not to blame where its question does not come to the DNS server. */
function lookupStopped({ drop, ends, service }: FlowFacts, { name, said }: { name: string; said: string }): StoppedAt {
  const way = drop === undefined ? first(ends, (end) => wayStopped(end, "destination")) : dropped(drop);
  if (way !== undefined) return { ...way, text: `the question for ${name}: ${way.text}` };
  const server = service === undefined ? undefined : serviceStopped(service);
  const why = server === undefined ? "" : `; of the DNS server: ${server.text}`;
  return at(
    "name",
    `${name} does not resolve as expected${why}`,
    server === undefined ? said : `${said}; ${server.fact}`,
  );
}

function serviceStopped(service: ServiceFact): StoppedAt | undefined {
  const { name, isThere, lacksFamily, isPending, port, ports, selector, selected, workloads, ready, notReady, rules } =
    service;
  const listed = ports.length === 0 ? "no ports" : `ports ${ports.join(", ")}`;
  if (!isThere) return at("service", `Service ${name} does not exist`, `the cluster has no Service ${name}`);
  if (isPending === true)
    return at(
      "service",
      `Service ${name} has no address of a load balancer`,
      "its status has none, its events say why",
    );
  if (lacksFamily !== undefined)
    return at("service", `Service ${name} has no ${lacksFamily} address`, `its addresses: no ${lacksFamily} one`);
  if (port === undefined)
    return at("service", `the address of Service ${name} answers on its ports alone`, `it has ${listed}`);
  const shown = `${port.number}/${port.protocol}`;
  if (!ports.some((each) => each.startsWith(`${shown} `)))
    return at("service", `Service ${name} has no port ${shown}`, `it has ${listed}`);
  if (ready > 0) {
    if (rules === undefined || sameSet(rules.leadTo, rules.shouldLeadTo)) return undefined;
    const led = rules.leadTo.length === 0 ? "nowhere" : `to ${rules.leadTo.join(", ")}`;
    return at(
      "service",
      `kube-proxy's rules on ${rules.node} do not follow Service ${name}`,
      `they lead ${led}; its ready endpoints are ${rules.shouldLeadTo.join(", ")}`,
    );
  }
  if (selector !== undefined && selected === 0 && workloads.length === 0)
    return at("service", `Service ${name} selects no pod`, `no pod of its namespace has ${selector}`);
  const none = workloads.length === 0 ? "it has no endpoints" : `no pod is there of ${workloads.join(", ")}`;
  const why = notReady.length === 0 ? none : notReady.join("; ");
  return at("endpoints", `Service ${name} has no ready endpoint for port ${shown}`, why);
}

function dropped({ node, direction, record }: NonNullable<FlowFacts["drop"]>): StoppedAt {
  return at("policy", `${direction} policy on ${node} dropped it`, record);
}

function wayStopped({ hops, between }: EndFact, towards: HopFact["towards"]): StoppedAt | undefined {
  const own = hops.filter((hop) => hop.towards === towards);
  const back = towards === "source" ? "the way back: " : "";
  // A link that is down takes its routes with it, wherever on the way it is.
  const cut = first(own, ({ place, linksDown }) =>
    linksDown.length === 0
      ? undefined
      : at("link", `${back}${place} has a link that is down: ${linksDown.join(", ")}`, `${linksDown[0]} is not up`),
  );
  const noRoute = first(own, ({ place, address, route, routeTrouble }) =>
    route !== undefined && routeTrouble === undefined
      ? undefined
      : at("route", `${back}${place} has no route to ${address}`, routeTrouble ?? "the kernel finds none"),
  );
  const broken = cut ?? noRoute;
  if (broken !== undefined || between === undefined || between.isReached) return broken;
  // The nodes' own tables for the way back explain why they do not reach each other.
  const otherEnd = first(hops, ({ place, linksDown }) =>
    linksDown.length === 0
      ? undefined
      : at("link", `${place} has a link that is down: ${linksDown.join(", ")}`, `${linksDown[0]} is not up`),
  );
  return (
    otherEnd ??
    at("link", `the network between ${between.from} and ${between.to} carries nothing of theirs`, between.detail)
  );
}

function notListening(end: EndFact, service: ServiceFact | undefined): StoppedAt | undefined {
  const { name, address, port, protocol, listeners, isDeclared } = end;
  if (listeners === undefined || port === undefined) return undefined;
  const shown = `${port}/${protocol.toUpperCase()}`;
  const others = listeners.map((each) => `${each.address}:${each.port}`).join(", ");
  const fact = `${name} listens on ${others === "" ? "nothing" : others}`;
  const own = listeners.filter((each) => each.port === port);
  if (own.some((each) => reaches(each.address, address))) return undefined;
  if (own.length > 0)
    return at("listener", `${name} listens on port ${shown}, but only on ${own.map(addressOf).join(", ")}`, fact);
  if (service !== undefined && !isDeclared && listeners.length > 0)
    return at("service", `Service ${service.name} sends to port ${shown}, on which ${name} does not listen`, fact);
  return at("listener", `nothing listens on port ${shown} of ${name}`, fact);
}

function addressOf({ address }: Listener): string {
  return address;
}

/** Whether a socket of this local address takes what comes to the other one. */
function reaches(local: string, address: string): boolean {
  const bare = local.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  const plain = bare.replace(/^::ffff:/, "");
  return plain === address || bare === "*" || bare === "::" || (bare === "0.0.0.0" && !address.includes(":"));
}

function tooLong({ sizes, name }: EndFact): StoppedAt | undefined {
  if (sizes === undefined || !sizes.small.isAnswered || sizes.large.isAnswered) return undefined;
  const { small, large, narrowest } = sizes;
  const fact = `${small.bytes} bytes: ${small.detail}; ${large.bytes} bytes: ${large.detail}`;
  return at(
    "mtu",
    `packets of ${large.bytes} bytes do not come to ${name}, small ones do`,
    narrowest === undefined ? fact : `${fact}; ${narrowest}`,
  );
}

function unknown({ unseen }: FlowFacts): StoppedAt {
  const rest = unseen.length === 0 ? "all layers were looked at" : `not looked at: ${unseen.join(", ")}`;
  return at("unknown", "all that was looked at is well", rest);
}

function at(name: StoppedAt["name"], text: string, fact: string): StoppedAt {
  return { name, text, fact };
}

function first<Each>(all: readonly Each[], find: (each: Each) => StoppedAt | undefined): StoppedAt | undefined {
  for (const each of all) {
    const found = find(each);
    if (found !== undefined) return found;
  }
  return undefined;
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each) => b.includes(each));
}
