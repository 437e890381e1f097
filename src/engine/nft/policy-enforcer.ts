import type { LabWarning } from "../../core/errors.ts";
import { isAdminPolicy } from "../../kube/admin-policy-types.ts";
import { adminPolicyWarning } from "../../kube/admin-policy-warning.ts";
import type { AdminEnforcement } from "../../kube/admin-policy-warning.ts";
import type { KubeObject, NetworkPolicy } from "../../kube/types.ts";

/** How chains of one direction are called: a policy's and a pod's, each followed by what tells it from others. */
interface ChainPrefixes {
  policy: string;
  endpoint: string;
}

/** How cluster-wide policies are enforced. */
interface AdminEnforcer extends AdminEnforcement {
  /** What chains of lists of policies begin with, followed by the tier. */
  egress: string;
  ingress: string;
}

/** Whose policy rules a node has: by what names they are known, and where and by what they know a pod's packets. */
export interface PolicyEnforcer {
  /** The table's name; its family is inet. */
  table: string;
  comment: string;
  chains: { egress: ChainPrefixes; ingress: ChainPrefixes };
  /**
   * How it enforces cluster-wide policies (policy.networking.k8s.io), each of which it enforces whole; absent where it enforces
   * none.
   */
  admin?: AdminEnforcer;
  /** What names of sets begin with. */
  sets: string;
  /**
   * What tells a pod's packets: the node's end of its link, or its address on the bridge that all pods are ports of. What is
   * forwarded between ports shows the bridge as its interface (br_netfilter).
   */
  knowsPodsBy: "interface" | { bridge: string };
  /** Whether egress judges what a pod sends to its own node. */
  judgesOwnNode: boolean;
  /** What it enforces of a policy; undefined where it refuses the policy as a whole. */
  enforced(policy: NetworkPolicy): NetworkPolicy | undefined;
  /** What it does not enforce of a policy, and why; undefined where it enforces all. */
  shortfall(policy: NetworkPolicy): string | undefined;
}

/** What whoever applies an object should know of how it is enforced. */
export function policyWarnings(cni: string, enforcer: PolicyEnforcer | undefined, object: KubeObject): LabWarning[] {
  if (isAdminPolicy(object))
    return [adminPolicyWarning(cni, enforcer?.admin, object)].filter((each) => each !== undefined);
  if (object.kind !== "NetworkPolicy") return [];
  const shortfall = enforcer?.shortfall(object as NetworkPolicy);
  if (shortfall === undefined) return [];
  const { namespace, name } = object.metadata;
  return [{ code: "POLICY_NOT_WHOLLY_ENFORCED", message: `NetworkPolicy ${namespace}/${name}: ${shortfall}` }];
}
