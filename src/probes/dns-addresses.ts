import { LabError } from "../core/errors.ts";
import { isIp, parseIp } from "../core/ip.ts";
import { isPodReady, podAddresses } from "../kube/pods.ts";
import type { KubeObject, NodeObject, Service } from "../kube/types.ts";
import { clusterIps, findObject, livePods, podName, podsOfWorkload, serviceBackends } from "../kube/workloads.ts";
import { parseEndpointRef } from "../lab/refs.ts";
import type { EndpointRef } from "../plan/types.ts";

/**
 * The addresses that a lookup's expectation names: of a Service its cluster IP, of a headless one its ready endpoints',
 * of a pod or workload the pods'; only those of the family that the record type has. `service/NAME` is in the namespace that asks. Throws DNS_EXPECT_UNKNOWN.
 */
export function expectedAddresses(
  written: string,
  namespace: string | undefined,
  objects: readonly KubeObject[],
  family: 4 | 6,
): string[] {
  if (isIp(written)) return [written];
  const short = /^(?:service|svc)\/([^/]+)$/.exec(written)?.[1];
  const ref: EndpointRef =
    short === undefined
      ? parseEndpointRef(written)
      : { kind: "service", namespace: namespace ?? "default", name: short };
  const found = addressesOf(ref, objects);
  if (found !== undefined) return found.filter((address) => parseIp(address)?.family === family);
  throw new LabError("DNS_EXPECT_UNKNOWN", `${written} does not exist in the cluster`, {
    hint: "write service/NAME, NAMESPACE/service/NAME, a pod, a workload, or an IP address",
  });
}

function addressesOf(ref: EndpointRef, objects: readonly KubeObject[]): string[] | undefined {
  switch (ref.kind) {
    case "service": {
      const service = findObject(objects, "Service", ref.namespace, ref.name) as Service | undefined;
      if (service === undefined) return undefined;
      const ips = clusterIps(service);
      return ips.length > 0 ? ips : serviceBackends(objects, service).map(({ address }) => address);
    }
    case "pod": {
      const pod = livePods(objects).find((each) => podName(each) === `${ref.namespace}/${ref.name}`);
      return pod === undefined ? undefined : podAddresses(pod);
    }
    case "workload":
      return podsOfWorkload(objects, ref.workload, ref.namespace, ref.name)
        ?.filter(isPodReady)
        .flatMap((pod) => podAddresses(pod));
    case "node": {
      const node = findObject(objects, "Node", undefined, ref.name) as NodeObject | undefined;
      return node?.status?.addresses?.flatMap(({ type, address }) => (type === "InternalIP" ? [address] : []));
    }
    case "address":
      return [ref.address];
    case "external":
    case "host":
      return undefined;
  }
}
