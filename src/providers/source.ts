import { LabError } from "../core/errors.ts";
import { isPodReady, podAddresses } from "../kube/pods.ts";
import type { Pod } from "../kube/types.ts";
import type { KubeObject } from "../kube/types.ts";
import { findObject, firstReady, livePods, podName, podsOfWorkload } from "../kube/workloads.ts";
import type { EndpointRef } from "../plan/types.ts";
import type { Source } from "./types.ts";

/** Where something runs, with the name that reports show. */
export interface ResolvedSource {
  source: Source;
  /** `shop/web-1`, `node/worker1` or `external`. */
  name: string;
  /** The pod's namespace, which relative DNS names and Service references start from; undefined elsewhere. */
  namespace?: string;
  /** The pod, when it is one. */
  pod?: Pod;
}

/**
 * The pod, node or host that a reference means as a source: a workload stands for its first ready pod by name. Throws
 * SOURCE_MISSING, SOURCE_NOT_READY, or SOURCE_CANNOT_RUN for what has nothing to run a command in.
 */
export function resolveSource(ref: EndpointRef, objects: readonly KubeObject[]): ResolvedSource {
  switch (ref.kind) {
    case "external":
      return { source: { kind: "external" }, name: "external" };
    case "node":
      if (findObject(objects, "Node", undefined, ref.name) === undefined) throw missing(`node ${ref.name}`);
      return { source: { kind: "node", name: ref.name }, name: `node/${ref.name}` };
    case "pod": {
      const pod = livePods(objects).find((each) => podName(each) === `${ref.namespace}/${ref.name}`);
      if (pod === undefined) throw missing(`pod ${ref.namespace}/${ref.name}`);
      return podSource(pod);
    }
    case "workload": {
      const text = `${ref.namespace}/${ref.workload}/${ref.name}`;
      const pods = podsOfWorkload(objects, ref.workload, ref.namespace, ref.name);
      if (pods === undefined) throw missing(text);
      const pod = firstReady(pods);
      if (pod === undefined) {
        throw new LabError("SOURCE_NOT_READY", `${text} has no ready pod (${pods.length} not ready)`, {
          hint: "wait for it in the scenario, or look at its pods with cnilab status",
        });
      }
      return podSource(pod);
    }
    case "service":
      throw cannotRun(`${ref.namespace}/service/${ref.name}`, "a Service is an address");
    case "address":
      throw cannotRun(ref.address, "it is an address");
    case "host":
      throw cannotRun(ref.host, "it is a name");
  }
}

/** A pod as a source. Throws SOURCE_NOT_READY where it has no address yet, and so no network. */
export function podSource(pod: Pod): ResolvedSource {
  const namespace = pod.metadata.namespace ?? "default";
  if (podAddresses(pod).length === 0 && !isPodReady(pod)) {
    throw new LabError("SOURCE_NOT_READY", `pod ${podName(pod)} has no address yet: ${pod.status?.phase ?? "Pending"}`);
  }
  return { source: { kind: "pod", namespace, name: pod.metadata.name }, name: podName(pod), namespace, pod };
}

function missing(what: string): LabError {
  return new LabError("SOURCE_MISSING", `${what} does not exist`, {
    hint: "cnilab status shows what is there; a manifest may not have been applied",
  });
}

function cannotRun(what: string, why: string): LabError {
  return new LabError("SOURCE_CANNOT_RUN", `nothing can be run in ${what}: ${why}`, {
    hint: "name a pod, a workload, node/NAME or external",
  });
}

/** As reports name it. */
export function placeName(source: Source): string {
  if (source.kind === "pod") return `${source.namespace}/${source.name}`;
  return source.kind === "node" ? `node/${source.name}` : "external";
}
