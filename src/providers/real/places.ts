import { LabError } from "../../core/errors.ts";
import { isPodTerminal, podAddresses } from "../../kube/pods.ts";
import type { Pod } from "../../kube/types.ts";
import type { Source } from "../types.ts";
import { podGap } from "./api/wait-reasons.ts";
import type { Place } from "./types.ts";

/** The place of a pod that is known to run. */
export function placeOfPod(pod: Pod, container?: string): Place & { kind: "pod" } {
  const { namespace = "default", name, uid = "", annotations } = pod.metadata;
  return {
    kind: "pod",
    node: pod.spec.nodeName ?? "",
    namespace,
    name,
    // The kubelet runs static pods under the hash of their manifest, not under the mirror pod's uid.
    uid: annotations?.["kubernetes.io/config.hash"] ?? uid,
    ...(container === undefined ? {} : { container }),
  };
}

/**
 * Where a source's work is done. Throws SOURCE_MISSING for what is not there or has ended, and SOURCE_NOT_READY for a pod
 * that has no network yet, with its reason.
 */
export function placeOf(source: Source, pods: ReadonlyMap<string, Pod>, nodes: ReadonlySet<string>): Place {
  switch (source.kind) {
    case "external":
      return { kind: "external" };
    case "node":
      if (!nodes.has(source.name)) throw missing(`node ${source.name}`);
      return { kind: "node", node: source.name };
    case "pod":
      return placeOfSource(source, pods.get(`${source.namespace}/${source.name}`));
  }
}

function placeOfSource(source: Source & { kind: "pod" }, pod: Pod | undefined): Place {
  const name = `pod ${source.namespace}/${source.name}`;
  if (pod === undefined) throw missing(name);
  if (isPodTerminal(pod)) {
    throw new LabError("SOURCE_MISSING", `${name} has ended (${pod.status?.phase}): it has no network any more`);
  }
  if (podAddresses(pod).length === 0 || pod.spec.nodeName === undefined) {
    throw new LabError("SOURCE_NOT_READY", `${name} has no network yet: ${podGap(pod)}`);
  }
  const { container } = source;
  if (container !== undefined && !pod.spec.containers.some((each) => each.name === container)) {
    throw new LabError("SOURCE_MISSING", `${name} has no container ${container}`, {
      hint: `its containers: ${pod.spec.containers.map((each) => each.name).join(", ")}`,
    });
  }
  return placeOfPod(pod, container);
}

function missing(what: string): LabError {
  return new LabError("SOURCE_MISSING", `${what} does not exist`, { hint: "cnilab status LAB shows what is there" });
}
