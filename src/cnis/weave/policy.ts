import type { PolicyEnforcer } from "../../engine/nft/policy-enforcer.ts";
import type { NetworkPolicy, NetworkPolicyPort } from "../../kube/types.ts";
import { BRIDGE } from "./node.ts";

function portsOf({ spec }: NetworkPolicy): NetworkPolicyPort[] {
  return [...(spec.ingress ?? []), ...(spec.egress ?? [])].flatMap(({ ports }) => ports ?? []);
}

function hasNamedPort(policy: NetworkPolicy): boolean {
  return portsOf(policy).some(({ port }) => typeof port === "string");
}

function withoutRanges<Rule extends { ports?: NetworkPolicyPort[] }>(rules: readonly Rule[]): Rule[] {
  return rules.map((rule) =>
    rule.ports === undefined ? rule : { ...rule, ports: rule.ports.map(({ endPort: _, ...port }) => port) },
  );
}

/**
 * npc/analyser.go: a policy that names a port anywhere is refused whole, and `endPort` is not looked at, so that the first
 * port of a range stands for it.
 */
function enforced(policy: NetworkPolicy): NetworkPolicy | undefined {
  if (hasNamedPort(policy)) return undefined;
  const { ingress, egress } = policy.spec;
  return {
    ...policy,
    spec: {
      ...policy.spec,
      ...(ingress !== undefined && { ingress: withoutRanges(ingress) }),
      ...(egress !== undefined && { egress: withoutRanges(egress) }),
    },
  };
}

function shortfall(policy: NetworkPolicy): string | undefined {
  if (hasNamedPort(policy)) return "weave-npc refuses a policy that names a port, and enforces nothing of it";
  if (portsOf(policy).some(({ endPort }) => endPort !== undefined)) {
    return "weave-npc does not look at endPort: of a range of ports the first alone counts";
  }
  return undefined;
}

/**
 * weave-npc: pods are told by their addresses, in what is forwarded over the bridge. What is for an address of the node
 * itself passes (`--dst-type LOCAL -j RETURN` in its chain of egress).
 */
export const weavePolicy: PolicyEnforcer = {
  table: "weave-npc",
  comment: "NetworkPolicy as weave-npc enforces it, modelled by cnilab",
  chains: {
    egress: { policy: "WEAVE-NPC-EGRESS", endpoint: "WEAVE-NPC-FROM" },
    ingress: { policy: "WEAVE-NPC-INGRESS", endpoint: "WEAVE-NPC-TO" },
  },
  sets: "weave",
  knowsPodsBy: { bridge: BRIDGE },
  judgesOwnNode: false,
  enforced,
  shortfall,
};
