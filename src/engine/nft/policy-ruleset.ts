import { LabError } from "../../core/errors.ts";
import type { AdminPolicy } from "../../kube/admin-policy-types.ts";
import type { Namespace, NetworkPolicy, Pod } from "../../kube/types.ts";
import type { Family } from "./address-ranges.ts";
import { adminTiers } from "./admin-chains.ts";
import { replaceTable } from "./block.ts";
import { evidenceSets } from "./evidence.ts";
import { comment } from "./names.ts";
import { baseChain, directionRules, nameOf } from "./policy-chains.ts";
import type { PolicyEndpoint } from "./policy-chains.ts";
import type { PolicyEnforcer } from "./policy-enforcer.ts";
import { DROP_SETS } from "./policy-matches.ts";
import { policyWorld } from "./policy-peers.ts";
import type { PolicyNode } from "./policy-peers.ts";
import { PolicySets } from "./policy-sets.ts";

export { DROP_SETS } from "./policy-matches.ts";
export type { PolicyEndpoint } from "./policy-chains.ts";

export interface PolicyRulesetInput {
  enforcer: PolicyEnforcer;
  /** The node's own pods. One without an object in `pods` is not isolated: it is being removed. */
  endpoints: readonly PolicyEndpoint[];
  /** All pods of the cluster. */
  pods: readonly Pod[];
  namespaces: readonly Namespace[];
  policies: readonly NetworkPolicy[];
  /** Cluster-wide ones; left alone where the enforcer has none. */
  adminPolicies: readonly AdminPolicy[];
  /** All nodes of the cluster. */
  nodes: readonly PolicyNode[];
}

const INTERFACE_NAME = /^[A-Za-z0-9._-]{1,15}$/;

/**
 * The policies of one node as nft commands: one transaction that replaces the table as a whole, evidence
 * included (rules do not change while a probe runs). Deterministic for equal input in any order. Egress is judged before
 * ingress, in base chains of their own, so that what the first accepts still meets the second; both see packets after
 * kube-proxy's DNAT. A pod's packets to its own node meet egress in the input hook, if anywhere; a node's packets to its own
 * pods meet nothing. Throws POLICY_BAD_PORT_RANGE, POLICY_BAD_INTERFACE.
 */
export function policyRuleset(input: PolicyRulesetInput): string {
  const { enforcer } = input;
  const world = policyWorld(input.pods, input.namespaces, input.nodes);
  const byName = new Map(world.pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
  const local = input.endpoints
    .toSorted((a, b) => (a.hostInterface < b.hostInterface ? -1 : 1))
    .flatMap((endpoint) => {
      if (!INTERFACE_NAME.test(endpoint.hostInterface)) {
        throw new LabError("POLICY_BAD_INTERFACE", `"${endpoint.hostInterface}" is not an interface name`);
      }
      const pod = byName.get(`${endpoint.namespace}/${endpoint.name}`);
      return pod === undefined ? [] : [{ endpoint, pod }];
    });
  const policies = input.policies
    .flatMap((policy) => enforcer.enforced(policy) ?? [])
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const hasIpv6 = world.pods.some(({ addresses }) => addresses.some(({ family }) => family === "ip6"));
  const families: Family[] = hasIpv6 ? ["ip", "ip6"] : ["ip"];
  const sets = new PolicySets(world, families, enforcer.sets);
  const context = { policies, tiers: adminTiers(input.adminPolicies), world, sets, families, enforcer };
  const egress = directionRules(local, "egress", context);
  const ingress = directionRules(local, "ingress", context);
  // How an IPv6 pod finds its gateway and tells what groups it hears is no traffic of the pod's: Felix lets it in, too.
  const neighbourDiscovery = hasIpv6
    ? [
        "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } accept",
      ]
    : [];
  const body = [
    comment(enforcer.comment),
    ...evidenceSets(DROP_SETS.egress, families),
    ...evidenceSets(DROP_SETS.ingress, families),
    ...sets.declarations(),
    ...egress.chains,
    ...ingress.chains,
    // Before kube-proxy's filter chains (priority filter), whichever table is replaced last: Felix goes first too.
    ...baseChain("filter-FORWARD-egress", "forward priority filter - 1", "egress", egress.judged, enforcer),
    ...baseChain("filter-FORWARD-ingress", "forward priority filter + 1", "ingress", ingress.judged, enforcer),
    ...(enforcer.judgesOwnNode
      ? baseChain(
          "filter-INPUT-egress",
          "input priority filter - 1",
          "egress",
          egress.judged,
          enforcer,
          neighbourDiscovery,
        )
      : []),
  ];
  return `${replaceTable(`inet ${enforcer.table}`, body).join("\n")}\n`;
}
