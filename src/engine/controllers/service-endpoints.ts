import { isPodReady, isPodTerminal, podAddresses, resolveTargetPort } from "../../kube/pods.ts";
import { matchesLabels } from "../../kube/selectors.ts";
import type { EndpointAddress, Pod, Protocol, Service } from "../../kube/types.ts";
import type { StoreEvent } from "../store/history.ts";
import { equalJson } from "../store/json.ts";
import type { ObjectStore } from "../store/store.ts";
import { keyOf } from "./controller.ts";

/** A port of an endpoint; the name is the Service port's, empty when it has none. */
export interface EndpointPort {
  name: string;
  port: number;
  protocol: Protocol;
}

/** One address of a pod behind a Service. */
export interface ServiceEndpoint {
  address: EndpointAddress;
  family: "IPv4" | "IPv6";
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  /** The Service's ports that this pod has; two pods may differ where targetPort is a name. */
  ports: EndpointPort[];
}

/** Whether the control loops keep the Service's endpoints; without a selector they are the user's. */
export function hasSelector(service: Service): boolean {
  return service.spec.type !== "ExternalName" && Object.keys(service.spec.selector ?? {}).length > 0;
}

/** The endpoints of a Service with a selector, in the order of the pods. Pods that have ended or have no address are none. */
export function serviceEndpoints(service: Service, pods: readonly Pod[]): ServiceEndpoint[] {
  const families = service.spec.ipFamilies ?? ["IPv4"];
  return pods
    .filter((pod) => matchesLabels(service.spec.selector, pod.metadata.labels) && !isPodTerminal(pod))
    .flatMap((pod) => {
      const ports = portsOf(service, pod);
      if (ports === undefined) return [];
      const serving = isPodReady(pod);
      const terminating = pod.metadata.deletionTimestamp !== undefined;
      const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
      return podAddresses(pod)
        .map((ip) => ({
          address: addressOf(ip, pod, service),
          family: ip.includes(":") ? ("IPv6" as const) : ("IPv4" as const),
          ready,
          serving,
          terminating,
          ports,
        }))
        .filter(({ family }) => families.includes(family));
    });
}

/** Undefined where the Service has ports but this pod has none of them. */
function portsOf(service: Service, pod: Pod): EndpointPort[] | undefined {
  const wanted = service.spec.ports ?? [];
  const ports = wanted.flatMap(({ name = "", port, targetPort, protocol = "TCP" }) => {
    const number = resolveTargetPort(pod.spec, targetPort ?? port, protocol);
    return number === undefined ? [] : [{ name, port: number, protocol }];
  });
  return wanted.length > 0 && ports.length === 0 ? undefined : ports;
}

function addressOf(ip: string, pod: Pod, service: Service): EndpointAddress {
  const { name, namespace, uid } = pod.metadata;
  const isNamed = pod.spec.hostname !== undefined && pod.spec.subdomain === service.metadata.name;
  return {
    ip,
    ...(isNamed ? { hostname: pod.spec.hostname ?? "" } : {}),
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: { kind: "Pod", namespace: namespace ?? "", name, uid: uid ?? "" },
  };
}

/** Groups endpoints whose ports are the same, in order of first appearance. */
export function byPorts(endpoints: readonly ServiceEndpoint[]): ServiceEndpoint[][] {
  const groups: ServiceEndpoint[][] = [];
  for (const endpoint of endpoints) {
    const group = groups.find(([first]) => equalJson(first?.ports, endpoint.ports));
    if (group === undefined) groups.push([endpoint]);
    else group.push(endpoint);
  }
  return groups;
}

/** Keys of the Services that a change of a Service or pod concerns; of a pod's both those it had and has now. */
export function* servicesConcerned(event: StoreEvent, store: ObjectStore): Iterable<string> {
  if (event.key === "Service") {
    yield keyOf(event.object);
    return;
  }
  for (const service of store.list("Service", event.object.metadata.namespace)) {
    if (!hasSelector(service)) continue;
    const isConcerned = [event.object, event.previous].some(
      (pod) => pod !== undefined && matchesLabels(service.spec.selector, pod.metadata.labels),
    );
    if (isConcerned) yield keyOf(service);
  }
}

/** Labels of a Service's Endpoints and EndpointSlices: its own, and the mark of a headless one. */
export function endpointLabels(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    ...(service.spec.clusterIP === "None" ? { "service.kubernetes.io/headless": "" } : {}),
  };
}
