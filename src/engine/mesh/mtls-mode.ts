import { matchesLabels } from "../../kube/selectors.ts";
import {
  ROOT_NAMESPACE,
  type MtlsMode,
  type MtlsSetting,
  type PeerAuthentication,
  type WorkloadSelector,
} from "../../kube/mesh/mesh-types.ts";
import type { Workload } from "./mesh-facts.ts";

/** Whether a policy of a namespace is about a workload; one of the root namespace is about those of all namespaces. */
export function isAbout(
  { namespace, selector }: { namespace: string; selector: WorkloadSelector | undefined },
  workload: Pick<Workload, "namespace" | "labels">,
): boolean {
  if (namespace !== ROOT_NAMESPACE && namespace !== workload.namespace) return false;
  return matchesLabels(selector?.matchLabels, workload.labels);
}

/**
 * What the workload's sidecar takes on this port of the pod: what its port, then the workload, its namespace, and the mesh is said to, by
 * the narrowest that says something; by default both (istio.io/latest/docs/reference/config/security/peer_authentication). `policies`
 * are the oldest first: of two about the same the older one counts.
 */
export function mtlsMode(
  policies: readonly PeerAuthentication[],
  workload: Pick<Workload, "namespace" | "labels">,
  port: number,
): MtlsMode {
  const ofWorkload = policies.find(
    ({ metadata, spec }) =>
      hasSelector(spec?.selector) &&
      isAbout({ namespace: metadata.namespace ?? "default", selector: spec?.selector }, workload),
  );
  const whole = (namespace: string): PeerAuthentication | undefined =>
    policies.find(({ metadata, spec }) => metadata.namespace === namespace && !hasSelector(spec?.selector));
  const settings = [
    ofWorkload?.spec?.portLevelMtls?.[port],
    ofWorkload?.spec?.mtls,
    whole(workload.namespace)?.spec?.mtls,
    whole(ROOT_NAMESPACE)?.spec?.mtls,
  ];
  return settings.map(setMode).find((mode) => mode !== undefined) ?? "PERMISSIVE";
}

function setMode(setting: MtlsSetting | undefined): MtlsMode | undefined {
  return setting?.mode === "UNSET" ? undefined : setting?.mode;
}

function hasSelector(selector: WorkloadSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length > 0;
}
