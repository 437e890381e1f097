import type { Protocol } from "../kube/types.ts";
import { parseIp } from "../core/ip.ts";
import { createOracle } from "../policy/oracle.ts";
import type { Oracle, OracleEnd, OraclePod, OracleVerdict, OracleWorld } from "../policy/types.ts";
import type { MissingProbe } from "../report/test-types.ts";

/** The ends and ports between which two worlds are compared. */
export interface EffectScope {
  /** Pods of these are the lab's: they could be given another port. Of other pods only what they serve counts. */
  namespaces: ReadonlySet<string>;
  /** Addresses of the host outside the cluster, and what it serves. */
  external: { addresses: readonly string[]; ports: readonly PolicyPort[] };
  /** A pod's name for people. */
  nameOf(pod: string): string;
}

export interface PolicyPort {
  port: number;
  protocol: Protocol;
}

/** Ports that no lab uses: what is open on these is open on every port. */
const SPARE: readonly PolicyPort[] = [
  { port: 64_999, protocol: "TCP" },
  { port: 64_999, protocol: "UDP" },
];

interface End {
  end: OracleEnd;
  name: string;
  addresses: readonly string[];
  pod?: OraclePod;
}

/**
 * One pair whose verdict differs between the reference and a mutant of it, the easiest to probe: between pods of the lab on a
 * port that is served, where there is one. Undefined where no verdict differs, of those that the API settles.
 */
export function firstDifference(
  reference: OracleWorld,
  mutant: OracleWorld,
  scope: EffectScope,
): MissingProbe | undefined {
  const [right, wrong] = [createOracle(reference), createOracle(mutant)];
  const isOwnPod = ({ namespace }: OraclePod): boolean => scope.namespaces.has(namespace);
  const pods = reference.pods
    .filter(({ hostNetwork }) => hostNetwork !== true)
    .toSorted((a, b) => Number(isOwnPod(b)) - Number(isOwnPod(a)))
    .map((pod) => podEnd(pod, scope));
  const outside = scope.external.addresses.map((address): End => ({
    end: { kind: "address", address },
    name: "external",
    addresses: [address],
  }));
  const nodes = (reference.nodes ?? []).map(({ name, addresses }): End => ({
    end: { kind: "node", name },
    name: `node/${name}`,
    addresses,
  }));
  const ports = [...portsOf([reference, mutant], scope), ...SPARE];
  let unserved: MissingProbe | undefined;
  for (const to of [...pods, ...outside]) {
    const served = to.pod === undefined ? scope.external.ports : servedBy(to.pod);
    const isOwn = to.pod !== undefined && isOwnPod(to.pod);
    for (const port of isOwn ? ports : served) {
      const isServed = isOwn ? served.some((each) => isSamePort(each, port)) : true;
      if (!isServed && unserved !== undefined) continue;
      for (const from of [...pods, ...outside, ...nodes]) {
        const expected = from === to ? undefined : differs(right, wrong, from, to, port);
        if (expected === undefined) continue;
        const protocol = port.protocol.toLowerCase() as Lowercase<Protocol>;
        const missing: MissingProbe = { from: from.name, to: to.name, port: port.port, protocol, expected, isServed };
        if (isServed) return missing;
        unserved ??= missing;
      }
    }
  }
  return unserved;
}

/** What the reference says, where the mutant says something else in any family that both ends have. */
function differs(
  right: Oracle,
  wrong: Oracle,
  from: End,
  to: End,
  { port, protocol }: PolicyPort,
): MissingProbe["expected"] | undefined {
  for (const family of [4, 6] as const) {
    if (!hasFamily(from, family) || !hasFamily(to, family)) continue;
    const flow = { from: from.end, to: to.end, port, protocol, family };
    const [was, is] = [right.verdict(flow), wrong.verdict(flow)];
    if (isOpen(was) || isOpen(is) || was.allowed === is.allowed) continue;
    return was.allowed ? "allowed" : "blocked";
  }
  return undefined;
}

function isOpen({ notGradable }: OracleVerdict): boolean {
  return notGradable !== undefined;
}

function hasFamily({ addresses }: End, family: 4 | 6): boolean {
  return addresses.some((address) => parseIp(address)?.family === family);
}

function podEnd(pod: OraclePod, { nameOf }: EffectScope): End {
  const { namespace, name, addresses } = pod;
  return { end: { kind: "pod", namespace, name }, name: nameOf(`${namespace}/${name}`), addresses, pod };
}

function servedBy({ ports }: OraclePod): PolicyPort[] {
  return ports.map(({ containerPort, protocol }) => ({ port: containerPort, protocol }));
}

/** What pods of the lab serve, and what policies name by number. */
function portsOf(worlds: readonly OracleWorld[], { namespaces }: EffectScope): PolicyPort[] {
  const served = worlds.flatMap(({ pods }) => pods).filter(({ namespace }) => namespaces.has(namespace));
  const rules = worlds
    .flatMap(({ policies }) => policies)
    .flatMap(({ policy: { spec } }) => [...(spec.ingress ?? []), ...(spec.egress ?? [])]);
  const named = rules
    .flatMap(({ ports = [] }) => ports)
    .flatMap(({ port, protocol = "TCP" }): PolicyPort[] => (typeof port === "number" ? [{ port, protocol }] : []));
  const all = new Map([...served.flatMap(servedBy), ...named].map((each) => [`${each.port}/${each.protocol}`, each]));
  return [...all.values()];
}

function isSamePort(one: PolicyPort, other: PolicyPort): boolean {
  return one.port === other.port && one.protocol === other.protocol;
}
