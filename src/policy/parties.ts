import { LabError } from "../core/errors.ts";
import { type IpAddress, parseIp } from "../core/ip.ts";
import type { OracleEnd, OracleFlow, OraclePod, OracleWorld } from "./types.ts";

/** One end of a flow, resolved: a pod under policy, a node (or a pod in its network), or an address of neither. */
export interface Party {
  pod: OraclePod | undefined;
  /** The node whose own network this end is in. */
  node: string | undefined;
  /** The flow's address family. */
  family: 4 | 6;
  /** Of that family; several only for a node whose address was not named. */
  addresses: readonly IpAddress[];
  /** True when the packets carry exactly `addresses`; false where the CNI chooses (a node as source). */
  isAddressCertain: boolean;
}

/** Finds the parties of flows; built once a world. */
export interface PartyIndex {
  /** Throws POLICY_UNKNOWN_END. */
  parties(flow: OracleFlow): { from: Party; to: Party };
}

type Unresolved = Omit<Party, "addresses" | "family" | "isAddressCertain"> & {
  addresses: readonly IpAddress[];
  isLiteral: boolean;
};

/** Indexes the world's pods and nodes by name and by address; between equal addresses the first pod wins. */
export function indexParties(world: OracleWorld): PartyIndex {
  const pods = new Map<string, Unresolved>();
  const nodes = new Map<string, Unresolved>();
  const byAddress = new Map<string, Unresolved>();
  const nodeAddresses = new Map((world.nodes ?? []).map((node) => [node.name, node.addresses]));

  for (const pod of world.pods) {
    const own = numeric(pod.addresses);
    const party: Unresolved =
      pod.hostNetwork === true
        ? {
            pod: undefined,
            node: pod.node,
            addresses: own.length > 0 ? own : numeric(nodeAddresses.get(pod.node ?? "") ?? []),
            isLiteral: false,
          }
        : { pod, node: undefined, addresses: own, isLiteral: false };
    pods.set(`${pod.namespace}/${pod.name}`, party);
    if (pod.hostNetwork !== true) for (const address of own) register(byAddress, address, party);
  }
  for (const node of world.nodes ?? []) {
    const party: Unresolved = { pod: undefined, node: node.name, addresses: numeric(node.addresses), isLiteral: false };
    nodes.set(node.name, party);
    for (const address of party.addresses) register(byAddress, address, party);
  }

  const literals = new Map<string, Unresolved>();
  const resolve = (end: OracleEnd): Unresolved => {
    if (end.kind === "pod") {
      return pods.get(`${end.namespace}/${end.name}`) ?? unknownEnd(`pod ${end.namespace}/${end.name}`);
    }
    if (end.kind === "node") return nodes.get(end.name) ?? unknownEnd(`node ${end.name}`);
    const literal = literals.get(end.address);
    if (literal !== undefined) return literal;
    const address = parseIp(end.address) ?? unknownEnd(`"${end.address}", which is no IP address`);
    const holder = byAddress.get(addressKey(address));
    const party: Unresolved = { pod: holder?.pod, node: holder?.node, addresses: [address], isLiteral: true };
    literals.set(end.address, party);
    return party;
  };

  // Equal ends give the same object, so that what was found out about it can be kept.
  const known = new Map<Unresolved, Map<string, Party>>();
  const remembered = (end: Unresolved, family: 4 | 6, role: "from" | "to"): Party => {
    const key = `${role}${family}`;
    const parties = known.get(end) ?? new Map<string, Party>();
    known.set(end, parties);
    const party = parties.get(key) ?? asParty(end, family, role);
    parties.set(key, party);
    return party;
  };

  return {
    parties(flow) {
      const from = resolve(flow.from);
      const to = resolve(flow.to);
      const literal = [to, from].find(({ isLiteral }) => isLiteral);
      const family = flow.family ?? (literal ?? to).addresses[0]?.family ?? 4;
      return { from: remembered(from, family, "from"), to: remembered(to, family, "to") };
    },
  };
}

function asParty(end: Unresolved, family: 4 | 6, role: "from" | "to"): Party {
  const addresses = end.addresses.filter((address) => address.family === family);
  const isNode = end.node !== undefined && !end.isLiteral;
  return {
    pod: end.pod,
    node: end.node,
    family,
    addresses: isNode ? addresses : addresses.slice(0, 1),
    isAddressCertain: !isNode || (role === "to" && addresses.length > 0),
  };
}

function register(index: Map<string, Unresolved>, address: IpAddress, party: Unresolved): void {
  const key = addressKey(address);
  if (!index.has(key)) index.set(key, party);
}

function addressKey({ family, value }: IpAddress): string {
  return `${family}:${value}`;
}

function numeric(addresses: readonly string[]): IpAddress[] {
  return addresses.map((text) => parseIp(text)).filter((address) => address !== undefined);
}

function unknownEnd(what: string): never {
  throw new LabError("POLICY_UNKNOWN_END", `the policy oracle was asked about ${what}, which its world does not have`, {
    hint: "the reference world is built from the cluster's objects: was the pod deleted while the probes ran?",
  });
}
