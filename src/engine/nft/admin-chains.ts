import type { AdminPolicy, AdminPolicyKind, AdminRule } from "../../kube/admin-policy-types.ts";
import type { NetworkPolicyPort, Protocol } from "../../kube/types.ts";
import type { Family } from "./address-ranges.ts";
import { block } from "./block.ts";
import { evidenceRules } from "./evidence.ts";
import { comment, identifier } from "./names.ts";
import type { PolicyEnforcer } from "./policy-enforcer.ts";
import { DROP_SETS, peerTexts, portTexts, ruleLines } from "./policy-matches.ts";
import type { Direction } from "./policy-matches.ts";
import { selectsByAdmin } from "./policy-peers.ts";
import type { PolicyPod, PolicyWorld } from "./policy-peers.ts";
import type { PolicySets } from "./policy-sets.ts";

/** Cluster-wide policies by tier, each list in the order in which they count. */
export interface AdminTiers {
  admin: readonly AdminPolicy[];
  baseline: readonly AdminPolicy[];
}

/** What the kinds are called in names of chains, as Felix calls two of them. */
const KIND_PREFIXES: Record<AdminPolicyKind, string> = {
  AdminNetworkPolicy: "kanp",
  BaselineAdminNetworkPolicy: "kbanp",
  ClusterNetworkPolicy: "kcnp",
};

function shortName({ kind, metadata }: AdminPolicy): string {
  return `${KIND_PREFIXES[kind]}.${metadata.name}`;
}

/** The one BaselineAdminNetworkPolicy has no priority: it counts behind ClusterNetworkPolicies of its tier. */
function compare(one: AdminPolicy, two: AdminPolicy): number {
  const [first, second] = [one, two].map(({ spec: { priority } }) => priority ?? Number.MAX_SAFE_INTEGER) as [
    number,
    number,
  ];
  if (first !== second) return first - second;
  const [name, other] = [one, two].map(({ metadata, kind }) => `${metadata.name}/${kind}`) as [string, string];
  return name < other ? -1 : 1;
}

/** By tier and priority; the API leaves equal priorities open, and here the name decides. */
export function adminTiers(policies: readonly AdminPolicy[]): AdminTiers {
  const isBaseline = ({ kind, spec }: AdminPolicy): boolean =>
    kind === "BaselineAdminNetworkPolicy" || spec.tier === "Baseline";
  const sorted = policies.toSorted(compare);
  return { admin: sorted.filter((policy) => !isBaseline(policy)), baseline: sorted.filter(isBaseline) };
}

/** Those whose subject the pod is and that have rules in this direction: without rules a policy does not affect it. */
export function adminPoliciesOf(
  policies: readonly AdminPolicy[],
  direction: Direction,
  pod: PolicyPod,
  world: PolicyWorld,
): AdminPolicy[] {
  return policies.filter(({ spec }) => (spec[direction] ?? []).length > 0 && selectsByAdmin(spec.subject, pod, world));
}

const PROTOCOLS = { tcp: "TCP", udp: "UDP", sctp: "SCTP" } as const satisfies Record<string, Protocol>;

/** A name is of whatever protocol the pod declares it for. */
function namedPorts(name: string): NetworkPolicyPort[] {
  return Object.values(PROTOCOLS).map((protocol) => ({ protocol, port: name }));
}

/** The ports of either version of the API as a NetworkPolicy would write them; undefined where every port is meant. */
function portsOf({ ports, protocols }: AdminRule): NetworkPolicyPort[] | undefined {
  if (ports !== undefined) {
    return ports.flatMap(({ portNumber, portRange, namedPort }): NetworkPolicyPort[] => {
      if (portNumber !== undefined) return [portNumber];
      if (portRange !== undefined) {
        const { start, end, ...protocol } = portRange;
        return [{ ...protocol, port: start, endPort: end }];
      }
      return namedPort === undefined ? [] : namedPorts(namedPort);
    });
  }
  return protocols?.flatMap((item): NetworkPolicyPort[] => {
    if (item.destinationNamedPort !== undefined) return namedPorts(item.destinationNamedPort);
    return (["tcp", "udp", "sctp"] as const).flatMap((key): NetworkPolicyPort[] => {
      const match = item[key];
      if (match === undefined) return [];
      const { number, range } = match.destinationPort ?? {};
      const protocol = PROTOCOLS[key];
      if (number !== undefined) return [{ protocol, port: number }];
      return [range === undefined ? { protocol } : { protocol, port: range.start, endPort: range.end }];
    });
  });
}

/**
 * The chains of one direction for lists of cluster-wide policies, each made once: pods with the same list share one, as Felix shares
 * chains of policy groups. The first rule that matches counts, so that all rules of a list stand in one chain: Allow accepts, Deny goes to
 * where it is recorded and dropped, Pass returns to the pod's chain, which goes on with the next tier.
 */
export class AdminGroups {
  private readonly direction: Direction;
  private readonly context: { sets: PolicySets; families: readonly Family[]; enforcer: PolicyEnforcer };
  private readonly made = new Map<string, string[]>();

  constructor(
    direction: Direction,
    context: { sets: PolicySets; families: readonly Family[]; enforcer: PolicyEnforcer },
  ) {
    this.direction = direction;
    this.context = context;
  }

  /** The chain's name; undefined where the list is empty. */
  chainOf(tier: keyof AdminTiers, policies: readonly AdminPolicy[]): string | undefined {
    const { admin } = this.context.enforcer;
    if (admin === undefined || policies.length === 0) return undefined;
    // A slash cannot be in an object's name.
    const name = identifier(`${admin[this.direction]}-${tier}`, policies.map(shortName).join("/"));
    if (!this.made.has(name))
      this.made.set(
        name,
        block(
          `chain ${name}`,
          policies.flatMap((policy) => this.rules(policy)),
        ),
      );
    return name;
  }

  private rules(policy: AdminPolicy): string[] {
    const { sets } = this.context;
    return (policy.spec[this.direction] ?? []).flatMap((rule, index) => {
      const { action, from = [], to = [] } = rule;
      const peers = peerTexts(sets.adminPeers(this.direction === "ingress" ? from : to), this.direction);
      const verdict = action === "Deny" ? `goto ${this.denied()}` : action === "Pass" ? "return" : "accept";
      const note = `${shortName(policy)}: ${this.direction} rule ${index + 1} (${action})`;
      return ruleLines({ peers, ports: portTexts(portsOf(rule), sets) }, verdict, note);
    });
  }

  private denied(): string {
    const { enforcer } = this.context;
    return `${enforcer.admin?.[this.direction]}-denied`;
  }

  /** In the order of their names, behind the chain that what they deny ends in. */
  chains(): string[] {
    if (this.made.size === 0) return [];
    return [
      ...block(`chain ${this.denied()}`, [
        ...evidenceRules(DROP_SETS[this.direction], this.context.families),
        `counter drop ${comment(`${this.direction}: denied by a cluster-wide policy`)}`,
      ]),
      ...[...this.made].toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, lines]) => lines),
    ];
  }
}
