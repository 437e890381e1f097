import type { AdminPeer } from "../../kube/admin-policy-types.ts";
import type { NetworkPolicyPeer } from "../../kube/types.ts";
import type { Family } from "./address-ranges.ts";
import { block, elements } from "./block.ts";
import { comment, shortHash } from "./names.ts";
import { adminPeerElements, describeAdminPeers, describePeers, peerElements } from "./policy-peers.ts";
import type { PolicyWorld } from "./policy-peers.ts";
import { namedPortElements } from "./policy-ports.ts";
import type { NamedPort } from "./policy-ports.ts";

export interface SetReference {
  family: Family;
  name: string;
}

const VERSION = { ip: "40", ip6: "60" } as const;
const ADDRESS_TYPE = { ip: "ipv4_addr", ip6: "ipv6_addr" } as const;

/**
 * The named sets that one node's policy rules refer to, collected while the rules are written: equal peers share a set,
 * as Felix shares its sets by selector.
 */
export class PolicySets {
  private readonly lines = new Map<string, string[]>();
  private readonly world: PolicyWorld;
  private readonly families: readonly Family[];
  private readonly prefix: string;

  constructor(world: PolicyWorld, families: readonly Family[], prefix: string) {
    this.world = world;
    this.families = families;
    this.prefix = prefix;
  }

  /** A set a family of the addresses that the peers name; one that is empty is kept, so that a listing shows it. */
  peers(peers: readonly NetworkPolicyPeer[], policyNamespace: string): SetReference[] {
    const hash = shortHash(JSON.stringify([policyNamespace, peers]));
    return this.references("s", hash, () => ({
      type: (family) => `${ADDRESS_TYPE[family]}; flags interval;`,
      content: peerElements(peers, policyNamespace, this.world),
      text: describePeers(peers, policyNamespace),
    }));
  }

  /** {@link peers} of cluster-wide policies, which are of no namespace. */
  adminPeers(peers: readonly AdminPeer[]): SetReference[] {
    return this.references("s", shortHash(JSON.stringify(peers)), () => ({
      type: (family) => `${ADDRESS_TYPE[family]}; flags interval;`,
      content: adminPeerElements(peers, this.world),
      text: describeAdminPeers(peers),
    }));
  }

  /** A set a family of the (address, protocol, port) behind a port's name. */
  namedPort(port: NamedPort): SetReference[] {
    return this.references("n", shortHash(`${port.protocol}/${port.name}`), () => ({
      type: (family) => `${ADDRESS_TYPE[family]} . inet_proto . inet_service;`,
      content: namedPortElements(port, this.world),
      text: `port ${port.name}/${port.protocol}`,
    }));
  }

  private references(
    kind: string,
    hash: string,
    describe: () => {
      type: (family: Family) => string;
      content: Record<Family, string[]>;
      text: string;
    },
  ): SetReference[] {
    const references = this.families.map((family) => ({
      family,
      name: `${this.prefix}${VERSION[family]}${kind}-${hash}`,
    }));
    if (references.every(({ name }) => this.lines.has(name))) return references;
    const { type, content, text } = describe();
    for (const { family, name } of references) {
      const lines = [`type ${type(family)} ${comment(text)}`, ...elements(content[family])];
      this.lines.set(name, block(`set ${name}`, lines));
    }
    return references;
  }

  /** In the order of their names. */
  declarations(): string[] {
    return [...this.lines].toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, lines]) => lines);
  }
}
