import { isPodReady } from "../kube/pods.ts";
import type { EndpointSlice, KubeObject, Pod, Service } from "../kube/types.ts";
import { attachLab } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";

/** A pod as its cluster sees it now. */
export interface PodLine {
  namespace: string;
  name: string;
  /** Missing until it is scheduled. */
  node?: string;
  /** Missing until it has a network. */
  ip?: string;
  ready: boolean;
  readyContainers: number;
  containers: number;
  phase: string;
  /** Why it is not ready, as kubectl's STATUS has it: CrashLoopBackOff, Unschedulable, Terminating and so on. */
  reason?: string;
  message?: string;
}

/** A Service as its cluster sees it now. */
export interface ServiceLine {
  namespace: string;
  name: string;
  type: string;
  /** "None" for a headless Service; missing for ExternalName. */
  clusterIP?: string;
  /** As in `80/TCP`, or `80:30080/TCP` with a node port. */
  ports: string[];
  /** Missing for ExternalName, which never has any. */
  readyEndpoints?: number;
}

/** What people look for first in a running lab. */
export interface LabContents {
  pods: PodLine[];
  services: ServiceLine[];
}

/** A list takes milliseconds; a lab process that is stopped never answers, and status has to say so. */
const ANSWER_TIMEOUT_MS = 5000;

/** Pods and Services of a running lab, undefined where it does not answer; throws what {@link attachLab} throws. */
export async function readLabContents(name: string, context: RunContext): Promise<LabContents | undefined> {
  const { cluster } = await attachLab(name, context);
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ANSWER_TIMEOUT_MS);
  });
  let objects: KubeObject[] | undefined;
  try {
    objects = await Promise.race([cluster.list(), deadline]);
  } finally {
    clearTimeout(timer);
  }
  // Closing would wait for the lab, too; the connection ends with this process.
  if (objects === undefined) return undefined;
  await cluster.close();
  return contentsOf(objects);
}

/** Pods and Services among a cluster's objects, by namespace and name. */
export function contentsOf(objects: readonly KubeObject[]): LabContents {
  const slices = objects.filter(({ kind }) => kind === "EndpointSlice") as EndpointSlice[];
  return {
    pods: (objects.filter(({ kind }) => kind === "Pod") as Pod[]).map(podLine).toSorted(byPlace),
    services: (objects.filter(({ kind, apiVersion }) => kind === "Service" && apiVersion === "v1") as Service[])
      .map((service) => serviceLine(service, slices))
      .toSorted(byPlace),
  };
}

interface Placed {
  namespace: string;
  name: string;
}

function byPlace(one: Placed, other: Placed): number {
  const [left, right] = [one, other].map(({ namespace, name }) => `${namespace}/${name}`) as [string, string];
  return left < right ? -1 : Number(left > right);
}

function placeOf({ metadata }: KubeObject): Placed {
  return { namespace: metadata.namespace ?? "default", name: metadata.name };
}

function podLine(pod: Pod): PodLine {
  const { spec, status } = pod;
  const containers = status?.containerStatuses ?? [];
  return {
    ...placeOf(pod),
    ...(spec.nodeName === undefined ? {} : { node: spec.nodeName }),
    ...(status?.podIP === undefined ? {} : { ip: status.podIP }),
    ready: isPodReady(pod),
    readyContainers: containers.filter(({ ready }) => ready).length,
    containers: spec.containers.length,
    phase: status?.phase ?? "Pending",
    ...reasonOf(pod),
  };
}

interface Reason {
  reason?: string;
  message?: string;
}

/** The most telling part of a pod's status, in the order in which a pod comes to life. */
function reasonOf(pod: Pod): Reason {
  if (pod.metadata.deletionTimestamp !== undefined) return { reason: "Terminating" };
  const scheduled = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") return reasonIn(scheduled);
  const states = (pod.status?.containerStatuses ?? []).map(({ state }) => state["waiting"] ?? state["terminated"]);
  const state = states.find((each) => typeof each === "object" && each !== null);
  if (state !== undefined) return reasonIn(state as Record<string, unknown>);
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "False" ? reasonIn(ready) : {};
}

function reasonIn({ reason, message }: { reason?: unknown; message?: unknown }): Reason {
  return {
    ...(typeof reason === "string" ? { reason } : {}),
    ...(typeof message === "string" ? { message } : {}),
  };
}

function serviceLine(service: Service, slices: readonly EndpointSlice[]): ServiceLine {
  const { spec } = service;
  const type = spec.type ?? "ClusterIP";
  const ports = (spec.ports ?? []).map(
    ({ port, nodePort, protocol = "TCP" }) => `${port}${nodePort === undefined ? "" : `:${nodePort}`}/${protocol}`,
  );
  return {
    ...placeOf(service),
    type,
    ...(spec.clusterIP === undefined ? {} : { clusterIP: spec.clusterIP }),
    ports,
    ...(type === "ExternalName" ? {} : { readyEndpoints: readyEndpoints(service, slices) }),
  };
}

/** A pod with two families, or in slices of several ports, counts once; no `ready` means ready (discovery.k8s.io/v1). */
function readyEndpoints({ metadata }: Service, slices: readonly EndpointSlice[]): number {
  const ready = slices
    .filter((slice) => slice.metadata.namespace === metadata.namespace)
    .filter((slice) => slice.metadata.labels?.["kubernetes.io/service-name"] === metadata.name)
    .flatMap(({ endpoints }) => endpoints)
    .filter(({ conditions }) => conditions?.ready !== false);
  return new Set(ready.map(({ targetRef, addresses }) => targetRef?.name ?? addresses.join())).size;
}
