import type { EndpointSlice, NodeObject, Service } from "../../kube/types.ts";
import { withSlices } from "./proxy-backends.ts";

/** Where kube-proxy tells of its own health on each node (--healthz-bind-address). */
export const PROXY_HEALTH_PORT = 10_256;

/**
 * Whether balancers outside may send to the node: kube-proxy's /healthz answers 503 once its Node is being deleted, or the cluster autoscaler is
 * about to (KEP-3836; pkg/proxy/healthcheck/proxier_health.go, SyncNode).
 */
export function isNodeEligible(node: NodeObject | undefined): boolean {
  const isMarked = node?.spec.taints?.some(({ key }) => key === "ToBeDeletedByClusterAutoscaler") === true;
  return node?.metadata.deletionTimestamp === undefined && !isMarked;
}

/** What kube-proxy answers on one node at a Service's healthCheckNodePort. */
export interface HealthCheck {
  service: { namespace: string; name: string };
  port: number;
  status: 200 | 503;
  body: string;
}

/**
 * The health checks of a node, whose status depends on its ready endpoints alone (pkg/proxy/healthcheck/service_health.go): whoever balances load
 * outside the cluster sends nothing to a node that says 503.
 */
export function healthChecks(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  node: string,
): HealthCheck[] {
  const checked = services.filter(({ spec }) => (spec.healthCheckNodePort ?? 0) !== 0);
  const both = (["ip", "ip6"] as const).map((family) => withSlices(checked, slices, family));
  return checked.map(({ metadata: { namespace = "default", name }, spec }, index): HealthCheck => {
    const pods = new Set(
      both
        .flatMap((each) => each[index]?.slices ?? [])
        .flatMap(({ endpoints }) => endpoints)
        .filter(({ nodeName, conditions }) => nodeName === node && conditions?.ready !== false)
        // A pod with addresses of both families is one endpoint.
        .map(({ targetRef, addresses }) => targetRef?.uid ?? addresses[0]),
    );
    const service = { namespace, name };
    const said = { service, localEndpoints: pods.size, serviceProxyHealthy: true };
    return {
      service,
      port: spec.healthCheckNodePort ?? 0,
      status: pods.size > 0 ? 200 : 503,
      body: JSON.stringify(said, undefined, "\t"),
    };
  });
}
