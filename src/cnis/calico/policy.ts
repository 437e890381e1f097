import type { PolicyEnforcer } from "../../engine/nft/policy-enforcer.ts";
import type { AdminPolicy } from "../../kube/admin-policy-types.ts";

/** libcalico-go/lib/backend/k8s/conversion of 3.30: what is refused, or read otherwise than the API says. */
function beyondRelease({ kind, spec }: AdminPolicy): string | undefined {
  if (kind === "ClusterNetworkPolicy") {
    return "Calico knows it from 3.32 on, in place of the kinds of v1alpha1; the model of 3.30 has all three";
  }
  const rules = [...(spec.ingress ?? []), ...(spec.egress ?? [])];
  if (rules.some(({ to = [] }) => to.some(({ nodes }) => nodes !== undefined))) {
    return "Calico 3.30 drops an Allow rule with a peer by nodes, and makes any other a Deny of everything; the model does as it says";
  }
  if (rules.some(({ ports = [] }) => ports.some(({ namedPort }) => namedPort !== undefined))) {
    return "Calico 3.30 takes a named port in it for every port; the model does as it says";
  }
  return undefined;
}

/** Felix in its nftables mode: chains by workload ("from" and "to" it) and by policy ("inbound", "outbound"). */
export const calicoPolicy: PolicyEnforcer = {
  table: "calico",
  comment: "NetworkPolicy as Calico enforces it, modelled by cnilab",
  chains: {
    egress: { policy: "cali-po", endpoint: "cali-fw" },
    ingress: { policy: "cali-pi", endpoint: "cali-tw" },
  },
  // Felix's prefixes of policy groups, whose chains pods with the same policies share.
  admin: { egress: "cali-go", ingress: "cali-gi", beyondRelease },
  sets: "cali",
  knowsPodsBy: "interface",
  judgesOwnNode: true,
  enforced: (policy) => policy,
  shortfall: () => undefined,
};
