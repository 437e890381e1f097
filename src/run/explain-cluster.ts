import { apiVersionOf } from "../kube/group-version.ts";
import { LabError, type LabWarning } from "../core/errors.ts";
import { ADMIN_POLICY_VERSIONS, isAdminPolicy } from "../kube/admin-policy-types.ts";
import type { KubeObject, NetworkPolicy } from "../kube/types.ts";
import { chooseCluster, openChosen } from "../providers/existing/kubeconfig.ts";
import type { KubernetesApi } from "../providers/real/api/kubernetes-api.ts";
import type { PolicySource } from "./explain-source.ts";

/** All that verdicts depend on; nothing else is asked for, and nothing is changed. */
const KINDS = ["Namespace", "Node", "Pod", "ReplicaSet", "Service", "NetworkPolicy"];

/**
 * The objects of a cluster by kubeconfig and context, read only. Throws KUBECONFIG_… where there is none to choose, and
 * API_UNREACHABLE or API_FORBIDDEN.
 */
export async function readCluster(
  access: { kubeconfig?: string | undefined; context?: string | undefined },
  env: Record<string, string | undefined>,
): Promise<PolicySource> {
  const { kubeconfig, context } = access;
  const choice = chooseCluster(
    { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) },
    env,
  );
  const api = await openChosen(choice);
  try {
    const objects = await api.list({ kinds: KINDS });
    const admin = await listAdminPolicies(api);
    return {
      name: choice.context,
      kind: "cluster",
      objects,
      policies: objects
        .filter((object): object is NetworkPolicy => object.kind === "NetworkPolicy")
        .map((policy) => ({ policy })),
      adminPolicies: admin.objects.filter(isAdminPolicy).map((policy) => ({ policy })),
      nodes: objects.filter(({ kind }) => kind === "Node").map(describeNode),
      podCidrs: [],
      warnings: admin.warnings,
    };
  } finally {
    api.close();
  }
}

/** Cluster-wide policies where the cluster has such kinds; a warning for a kind that cannot be read here. */
async function listAdminPolicies(api: KubernetesApi): Promise<{ objects: KubeObject[]; warnings: LabWarning[] }> {
  const served = (await api.resources.all()).filter(({ group }) => group === "policy.networking.k8s.io");
  const objects: KubeObject[] = [];
  const warnings: LabWarning[] = [];
  for (const [kind, apiVersion] of Object.entries(ADMIN_POLICY_VERSIONS)) {
    const versions = served.filter((each) => each.kind === kind).map(apiVersionOf);
    if (versions.length === 0) continue;
    if (!versions.includes(apiVersion)) {
      warnings.push(notCounted(kind, `the cluster serves ${versions.join(", ")}, and ${apiVersion} is what is read`));
      continue;
    }
    try {
      objects.push(...(await api.list({ kind, apiVersion })));
    } catch (error) {
      if (!(error instanceof LabError) || error.code !== "API_FORBIDDEN") throw error;
      warnings.push(notCounted(kind, error.message));
    }
  }
  return { objects, warnings };
}

function notCounted(kind: string, why: string): LabWarning {
  return {
    code: "POLICY_NOT_COUNTED",
    message: `${kind} is not counted: ${why}`,
    hint: "what such a policy allows or denies may change the verdicts",
  };
}

function describeNode(node: KubeObject): PolicySource["nodes"][number] {
  const { addresses = [] } = (node["status"] ?? {}) as { addresses?: { type: string; address: string }[] };
  return {
    name: node.metadata.name,
    labels: node.metadata.labels ?? {},
    addresses: addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address),
  };
}
