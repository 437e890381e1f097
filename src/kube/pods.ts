import type { Container, ContainerPort, IntOrString, Pod, PodSpec, Protocol } from "./types.ts";

/** Whether the pod's Ready condition is True; a pod without the condition is not ready. */
export function isPodReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

/** Whether the pod has ended for good (Succeeded or Failed): it then has no network and is no endpoint. */
export function isPodTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** The pod's addresses, one a family, the primary first; empty until it has one. */
export function podAddresses(pod: Pod): string[] {
  const listed = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  if (listed.length > 0) return listed;
  return pod.status?.podIP === undefined || pod.status.podIP === "" ? [] : [pod.status.podIP];
}

/** Whether the pod shares its node's network namespace. */
export function isHostNetwork(pod: Pod): boolean {
  return pod.spec.hostNetwork === true;
}

/** A container port with its protocol's default (TCP) filled in. */
export type DeclaredPort = ContainerPort & { protocol: Protocol };

/**
 * The ports that the containers of a pod declare, in order, those of sidecars (init containers with restartPolicy
 * Always) after. Declaring a port opens nothing; the list only gives names to numbers.
 */
export function declaredPorts(spec: PodSpec): DeclaredPort[] {
  const sidecars = (spec.initContainers ?? []).filter(isSidecar);
  return [...spec.containers, ...sidecars].flatMap((container) =>
    (container.ports ?? []).map((port) => ({ ...port, protocol: port.protocol ?? "TCP" })),
  );
}

/**
 * The numbers that a port name stands for in this pod with this protocol. Usually one or none; several where two
 * containers use the same name, of which a Service's targetPort takes the first.
 */
export function resolveNamedPort(spec: PodSpec, name: string, protocol: Protocol): number[] {
  return declaredPorts(spec)
    .filter((port) => port.name === name && port.protocol === protocol)
    .map(({ containerPort }) => containerPort);
}

/**
 * The number a Service's targetPort means in this pod, undefined where the name is not declared with the protocol
 * (such a pod is no endpoint of that Service port).
 */
export function resolveTargetPort(spec: PodSpec, port: IntOrString, protocol: Protocol): number | undefined {
  return typeof port === "number" ? port : resolveNamedPort(spec, port, protocol)[0];
}

function isSidecar(container: Container): boolean {
  return container["restartPolicy"] === "Always";
}
