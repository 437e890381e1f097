import { hash } from "node:crypto";
import { formatRange, rangeOf, unionRanges } from "./address-ranges.ts";
import type { Family } from "./address-ranges.ts";
import { block } from "./block.ts";
import type { Backend, ExternalEntrance, ServicePortBackends } from "./proxy-backends.ts";

/** A chain name of kube-proxy: prefix, eight letters of the name's SHA-256 in base 32, and as much of the name as fits. */
function chainName(prefix: string, name: string): string {
  const letters = base32Prefix(hash("sha256", name, "buffer"));
  const readable = /^[A-Za-z0-9._/-]*$/.test(name) ? `${letters}-${name}` : letters;
  return `${prefix}-${readable.length > 112 ? `${readable.slice(0, 109)}...` : readable}`;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The first eight characters in RFC 4648 base 32: the first five bytes, five bits each. */
function base32Prefix(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes.subarray(0, 5)) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += LETTERS.charAt((held >> (bits - 5)) & 31);
    held &= 31;
  }
  return text;
}

function portName({ namespace, service, protocol, portName: name }: ServicePortBackends): string {
  return `${namespace}/${service}/${protocol}/${name}`;
}

/** The chain that packets for the ClusterIP, or with its policy, go to: one for each choice of endpoints, as kube-proxy has it. */
export function serviceChainName(port: ServicePortBackends, isLocal = port.isLocal): string {
  return chainName(isLocal ? "local" : "service", portName(port));
}

/** The chain that packets for the node port, and for addresses of load balancers, go to. */
export function externalChainName(port: ServicePortBackends): string {
  return chainName("external", portName(port));
}

/** The chain that says who may use the load balancer's addresses. */
export function firewallChainName(port: ServicePortBackends): string {
  return chainName("firewall", portName(port));
}

/** Whether somebody is answered from outside: with a local-only policy callers of the cluster may be the only ones. */
export function isExternallyServed({ external, backends }: ServicePortBackends): boolean {
  return external !== undefined && (external.backends.length > 0 || (external.isLocal && backends.length > 0));
}

function endpointName(port: ServicePortBackends, { address, port: number }: Backend): string {
  return `${portName(port)}__${address.replaceAll(":", ".")}/${number}`;
}

/** By backend, whose objects are made anew where a port changes: a name is hashed once. */
const endpointChainNames = new WeakMap<Backend, string>();

function endpointChainName(port: ServicePortBackends, backend: Backend): string {
  let name = endpointChainNames.get(backend);
  if (name === undefined) {
    name = chainName("endpoint", endpointName(port, backend));
    endpointChainNames.set(backend, name);
  }
  return name;
}

function affinitySetName(port: ServicePortBackends, backend: Backend): string {
  return chainName("affinity", endpointName(port, backend));
}

/**
 * The chains of a Service port: those that choose among endpoints, those of callers from outside, and those of the endpoints. With
 * session affinity a client whose address an endpoint's set still knows goes there, before any is drawn.
 */
export function serviceChains(port: ServicePortBackends, family: Family, clusterCidrs: readonly string[]): string[] {
  const { external } = port;
  const choices = [...(external === undefined ? [] : [external]), port].filter(({ backends }) => backends.length > 0);
  const byPolicy = new Map(choices.map((choice) => [choice.isLocal, choice.backends]));
  const targets = new Map(
    choices.flatMap(({ backends }) => backends).map((backend) => [endpointName(port, backend), backend]),
  );
  const offCluster =
    clusterCidrs.length === 0
      ? []
      : [
          `${family} daddr ${port.clusterIp} ${family} saddr != { ${clusterCidrs.join(", ")} } jump mark-for-masquerade`,
        ];
  return [
    ...[...byPolicy].flatMap(([isLocal, backends]) =>
      block(`chain ${serviceChainName(port, isLocal)}`, [
        ...(isLocal === port.isLocal ? offCluster : []),
        ...choiceRules(port, backends, family),
      ]),
    ),
    ...(external !== undefined && isExternallyServed(port) ? externalChain(port, external, family, clusterCidrs) : []),
    ...(external?.guarded === undefined ? [] : firewallChain(port, external.guarded, family)),
    ...[...targets.values()].flatMap((backend) => endpointChain(port, backend, family)),
  ];
}

function choiceRules(port: ServicePortBackends, backends: readonly Backend[], family: Family): string[] {
  const known = backends.map(
    (backend) => `${family} saddr @${affinitySetName(port, backend)} goto ${endpointChainName(port, backend)}`,
  );
  const choices = backends.map((backend, index) => `${index} : goto ${endpointChainName(port, backend)}`);
  return [
    ...(port.affinitySeconds === undefined ? [] : known),
    `numgen random mod ${choices.length} vmap { ${choices.join(", ")} }`,
  ];
}

/**
 * What comes from outside gets the node's address where any endpoint may answer, since the answer has to come back this
 * way; with externalTrafficPolicy Local it keeps its own. Callers of the cluster itself may use all endpoints even then.
 */
function externalChain(
  port: ServicePortBackends,
  { isLocal, backends }: ExternalEntrance,
  family: Family,
  clusterCidrs: readonly string[],
): string[] {
  const chosen = `goto ${serviceChainName(port, isLocal)}`;
  if (!isLocal) return block(`chain ${externalChainName(port)}`, ["jump mark-for-masquerade", chosen]);
  const everywhere = `goto ${serviceChainName(port, port.isLocal)}`;
  const hasEverywhere = port.backends.length > 0;
  const own = hasEverywhere
    ? [
        ...(clusterCidrs.length === 0 ? [] : [`${family} saddr { ${clusterCidrs.join(", ")} } ${everywhere}`]),
        "fib saddr type local jump mark-for-masquerade",
        `fib saddr type local ${everywhere}`,
      ]
    : [];
  return block(`chain ${externalChainName(port)}`, [...own, ...(backends.length > 0 ? [chosen] : [])]);
}

/** Comes before the address is replaced; who is not shut out goes on. */
function firewallChain(
  port: ServicePortBackends,
  { sources }: NonNullable<ExternalEntrance["guarded"]>,
  family: Family,
): string[] {
  const ranges = unionRanges(sources.map(rangeOf)).map((range) => formatRange(family, range));
  const allowed = ranges.length === 0 ? [] : [`${family} saddr { ${ranges.join(", ")} } return`];
  return block(`chain ${firewallChainName(port)}`, [...allowed, "goto drop-chain"]);
}

function endpointChain(port: ServicePortBackends, backend: Backend, family: Family): string[] {
  const { address, port: number } = backend;
  const target = family === "ip" ? `${address}:${number}` : `[${address}]:${number}`;
  return block(`chain ${endpointChainName(port, backend)}`, [
    // A pod that reaches itself through its Service must see an answer from the Service, not from itself.
    `${family} saddr ${address} jump mark-for-masquerade`,
    ...(port.affinitySeconds === undefined ? [] : [`update @${affinitySetName(port, backend)} { ${family} saddr }`]),
    `meta l4proto ${port.protocol} dnat to ${target}`,
  ]);
}

const ADDRESS_TYPE = { ip: "ipv4_addr", ip6: "ipv6_addr" } as const;

/** The clients that each endpoint has had, for as long as session affinity remembers them. */
export function affinitySets(port: ServicePortBackends, family: Family): string[] {
  const { affinitySeconds, external, backends } = port;
  if (affinitySeconds === undefined) return [];
  const names = new Set([...backends, ...(external?.backends ?? [])].map((backend) => affinitySetName(port, backend)));
  return [...names].flatMap((name) =>
    block(`set ${name}`, [
      `type ${ADDRESS_TYPE[family]}; size 16384; flags dynamic,timeout; timeout ${affinitySeconds}s`,
    ]),
  );
}
