import type { PolicyEnforcer } from "../../engine/nft/policy-enforcer.ts";

/** Felix in its nftables mode: chains by workload ("from" and "to" it) and by policy ("inbound", "outbound"). */
export const calicoPolicy: PolicyEnforcer = {
  table: "calico",
  comment: "NetworkPolicy as Calico enforces it, modelled by cnilab",
  chains: {
    egress: { policy: "cali-po", endpoint: "cali-fw" },
    ingress: { policy: "cali-pi", endpoint: "cali-tw" },
  },
  sets: "cali",
  knowsPodsBy: "interface",
  judgesOwnNode: true,
  enforced: (policy) => policy,
  shortfall: () => undefined,
};
