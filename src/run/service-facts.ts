import { isIp } from "../core/ip.ts";
import type { ServiceFact } from "../grade/layers.ts";
import { serviceAddressesOf } from "../kube/load-balancers.ts";
import { declaredPorts, isPodReady } from "../kube/pods.ts";
import { matchesSelector } from "../kube/selectors.ts";
import type { EndpointSlice, KubeObject, Pod, PodTemplateSpec, Service } from "../kube/types.ts";
import {
  clusterIps,
  findObject,
  livePods,
  podName,
  serviceAt,
  serviceBackends,
  type ServiceBackend,
} from "../kube/workloads.ts";
import type { Flow } from "../providers/types.ts";
import { podTrouble } from "./place-facts.ts";

/** A Service with the endpoints that traffic of a flow is sent to. */
export interface FoundService {
  fact: ServiceFact;
  backends: ServiceBackend[];
  /** What kube-proxy's rules for it are compared with, where they can be. */
  translated?: { address: string; port: number; protocol: string; backends: string[] };
}

/** By an address that it is reached at, or by its node port at a node. */
export function serviceOf(flow: Flow, objects: readonly KubeObject[]): FoundService | undefined {
  const { address, port, protocol } = flow;
  const word = protocol === "udp" ? "UDP" : "TCP";
  const service = isIp(address) ? serviceAt(objects, address) : undefined;
  if (service !== undefined) {
    const backends = backendsOf(objects, service, port, word, address);
    const isLocal = service.spec["internalTrafficPolicy"] === "Local";
    const fact = serviceFact(
      service,
      port === undefined ? undefined : { number: port, protocol: word },
      objects,
      backends,
    );
    const isClusterIp = clusterIps(service).includes(address);
    const canCompare = isClusterIp && port !== undefined && backends.length > 0 && !address.includes(":") && !isLocal;
    const ends = backends.map((backend) => `${backend.address}:${backend.port ?? port}`);
    return {
      fact,
      backends,
      ...(canCompare ? { translated: { address, port, protocol, backends: ends } } : {}),
    };
  }
  if (flow.to[0]?.kind !== "node" || port === undefined) return undefined;
  const open = objects
    .filter((object): object is Service => object.kind === "Service")
    .flatMap((each) => (each.spec.ports ?? []).map((own) => ({ each, own })))
    .find(({ own }) => own.nodePort === port && (own.protocol ?? "TCP") === word);
  if (open === undefined) {
    // Kubernetes' default --service-node-port-range.
    if (port < 30_000 || port > 32_767) return undefined;
    return { fact: { ...missingService(`with node port ${port}/${word}`) }, backends: [] };
  }
  const backends = backendsOf(objects, open.each, open.own.port, word, address);
  return { fact: serviceFact(open.each, { number: open.own.port, protocol: word }, objects, backends), backends };
}

function backendsOf(
  objects: readonly KubeObject[],
  service: Service,
  port: number | undefined,
  protocol: "TCP" | "UDP",
  address: string,
): ServiceBackend[] {
  if (port === undefined) return [];
  return serviceBackends(objects, service, port, protocol).filter(
    (backend) => backend.address.includes(":") === address.includes(":"),
  );
}

/** Of a probe that names it, and came to no flow. */
export function serviceByName(
  namespace: string,
  name: string,
  { family, isOutside }: { family: string | undefined; isOutside: boolean },
  objects: readonly KubeObject[],
): ServiceFact {
  const service = findObject(objects, "Service", namespace, name) as Service | undefined;
  if (service === undefined) return missingService(`${namespace}/${name}`);
  const fact = serviceFact(service, undefined, objects, serviceBackends(objects, service));
  const isBalanced = isOutside && service.spec.type === "LoadBalancer";
  const balanced = isBalanced ? serviceAddressesOf(service) : [];
  const isPending = isBalanced && balanced.length === 0;
  const addresses = balanced.length > 0 ? balanced : clusterIps(service);
  const lacks =
    (family === "ipv4" || family === "ipv6") &&
    !addresses.some((address) => address.includes(":") === (family === "ipv6"));
  const [first] = service.spec.ports ?? [];
  return {
    ...fact,
    // The probe names a port; which one is not what kept it from a flow.
    ...(first === undefined ? {} : { port: { number: first.port, protocol: first.protocol ?? "TCP" } }),
    ...(isPending ? { isPending: true } : {}),
    ...(lacks ? { lacksFamily: family === "ipv6" ? "IPv6" : "IPv4" } : {}),
  };
}

function missingService(name: string): ServiceFact {
  return { name, isThere: false, ports: [], selected: 0, workloads: [], ready: 0, notReady: [] };
}

function serviceFact(
  service: Service,
  port: ServiceFact["port"],
  objects: readonly KubeObject[],
  backends: readonly ServiceBackend[],
): ServiceFact {
  const { namespace = "default", name } = service.metadata;
  const labels = Object.entries(service.spec.selector ?? {});
  const pods = livePods(objects).filter((pod) => pod.metadata.namespace === namespace);
  const selected =
    labels.length === 0
      ? []
      : pods.filter((pod) => matchesSelector({ matchLabels: Object.fromEntries(labels) }, pod.metadata.labels));
  return {
    name: `${namespace}/${name}`,
    isThere: true,
    ...(port === undefined ? {} : { port }),
    ports: (service.spec.ports ?? []).map(
      (each) => `${each.port}/${each.protocol ?? "TCP"} → ${each.targetPort ?? each.port}`,
    ),
    ...(labels.length === 0 ? {} : { selector: labels.map((pair) => pair.join("=")).join(",") }),
    selected: selected.length,
    workloads:
      selected.length > 0 || labels.length === 0 ? [] : makersOf(namespace, Object.fromEntries(labels), objects),
    ready: backends.length,
    notReady: [...selected.map((pod) => whyNoEndpoint(pod, service, port)), ...notReadySlices(service, objects)].filter(
      (why) => why !== undefined,
    ),
  };
}

/** Workloads whose pods would have the labels. */
function makersOf(namespace: string, matchLabels: Record<string, string>, objects: readonly KubeObject[]): string[] {
  return objects.flatMap(({ kind, metadata, ...rest }) => {
    if (metadata.namespace !== namespace || !["Deployment", "StatefulSet", "DaemonSet"].includes(kind)) return [];
    const { template, replicas } = (rest["spec"] ?? {}) as { template?: PodTemplateSpec; replicas?: number };
    if (!matchesSelector({ matchLabels }, template?.metadata?.labels)) return [];
    const count = kind === "DaemonSet" ? "" : ` (${replicas ?? 1} replicas)`;
    return [`${kind} ${namespace}/${metadata.name}${count}`];
  });
}

function whyNoEndpoint(pod: Pod, { spec }: Service, port: ServiceFact["port"]): string | undefined {
  const trouble = podTrouble(pod);
  if (trouble !== undefined) return `${podName(pod)} ${trouble}`;
  if (!isPodReady(pod)) return `${podName(pod)} is not ready`;
  const target = spec.ports?.find((each) => each.port === port?.number)?.targetPort;
  if (typeof target !== "string" || declaredPorts(pod.spec).some(({ name }) => name === target)) return undefined;
  return `${podName(pod)} declares no port named ${target}`;
}

/** Endpoints that somebody wrote by hand have no pods. */
function notReadySlices({ metadata, spec }: Service, objects: readonly KubeObject[]): string[] {
  if (Object.keys(spec.selector ?? {}).length > 0) return [];
  return objects
    .filter((object): object is EndpointSlice => object.kind === "EndpointSlice")
    .filter(
      (slice) =>
        slice.metadata.namespace === metadata.namespace &&
        slice.metadata.labels?.["kubernetes.io/service-name"] === metadata.name,
    )
    .flatMap(({ endpoints }) => endpoints)
    .filter(({ conditions }) => conditions?.ready === false)
    .map(({ addresses }) => `its endpoint ${addresses.join(", ")} is not ready`);
}
