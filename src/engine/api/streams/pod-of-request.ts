import type { Container, Pod } from "../../../kube/types.ts";
import type { ObjectStore } from "../../store/store.ts";
import { ApiError, badRequest } from "../api-error.ts";
import type { ResourcePath } from "../request-path.ts";

function isPod({ group, version, resource, namespace, name }: ResourcePath): boolean {
  return group === "" && version === "v1" && resource === "pods" && namespace !== undefined && name !== undefined;
}

const STREAMS: ReadonlySet<string | undefined> = new Set(["exec", "attach", "portforward"]);

/** Whether a path is a pod's subresource that is served after an upgrade. */
export function isPodStream(path: ResourcePath): boolean {
  return isPod(path) && STREAMS.has(path.subresource);
}

export function isPodLog(path: ResourcePath): boolean {
  return isPod(path) && path.subresource === "log";
}

/** The pod that a request's path names. Throws ApiError (404). */
export function podOf(store: ObjectStore, { name = "", namespace = "" }: ResourcePath): Pod {
  const pod = store.get("Pod", name, namespace);
  if (pod === undefined) throw new ApiError("NotFound", `pods "${name}" not found`, { name, kind: "pods" });
  return pod;
}

/** The container that is asked for, by default the only one (registry/core/pod/strategy.go). Throws ApiError (400). */
export function containerOf(pod: Pod, name: string): Container {
  const [first, ...others] = pod.spec.containers;
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  if (name === "") {
    if (first !== undefined && others.length === 0) return first;
    const names = pod.spec.containers.map((each) => each.name).join(" ");
    throw badRequest(`a container name must be specified for pod ${pod.metadata.name}, choose one of: [${names}]`);
  }
  const found = containers.find((each) => each.name === name);
  if (found === undefined) throw badRequest(`container ${name} is not valid for pod ${pod.metadata.name}`);
  return found;
}

/** A running container's name. Throws ApiError: 400 before the pod has a node, 404 while the container does not run, as a kubelet answers. */
export function runningContainerOf(pod: Pod, asked: string): string {
  const { name } = containerOf(pod, asked);
  if (pod.spec.nodeName === undefined) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  const status = pod.status?.containerStatuses?.find((each) => each.name === name);
  if (status?.state["running"] === undefined) throw new ApiError("NotFound", `container not found ("${name}")`);
  return name;
}

/** Throws ApiError (400) for a pod that does not run (kubelet getPortForward). */
export function refuseUnlessRunning({ metadata: { name }, status }: Pod): void {
  if (status?.phase !== "Running") throw badRequest(`pod not found ("${name}"): it is ${status?.phase ?? "Pending"}`);
}

/** A flag of a request's query (strconv.ParseBool); one that is no flag is an error (400). */
export function flagOf(query: URLSearchParams, name: string): boolean {
  const value = query.get(name) ?? "false";
  if (/^(1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw badRequest(`${name}: ${JSON.stringify(value)} is neither true nor false`);
}
