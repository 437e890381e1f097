import { LabError } from "../../../core/errors.ts";
import type { Place } from "../types.ts";

/** A place as messages name it: "pod shop/web-1". */
export function placeName(place: Place): string {
  switch (place.kind) {
    case "pod":
      return `pod ${place.namespace}/${place.name}`;
    case "node":
      return `node ${place.node}`;
    case "external":
      return "the external host";
  }
}

/** SOURCE_MISSING: the pod has no running container where an agent looked for it, or no longer has. */
export function podMissing(place: Place & { kind: "pod" }, when = ""): LabError {
  return new LabError("SOURCE_MISSING", `${placeName(place)} has no running container on node ${place.node}${when}`, {
    hint: `kubectl describe pod --namespace ${place.namespace} ${place.name}`,
  });
}

/** SOURCE_MISSING: the cluster has no such node, or no external host. */
export function placeMissing(place: Place): LabError {
  return new LabError("SOURCE_MISSING", `${placeName(place)} is not part of this cluster`);
}

/** AGENT_LOST: where the agent worked, nothing answers any more; the node's container ended or was started anew. */
export function agentLost(where: string, reason: string, cause?: unknown): LabError {
  return new LabError("AGENT_LOST", `the agent of ${where} is lost: ${reason}`, { cause });
}

/** EXEC_NOT_STARTED for a tool that the agent's host or image does not have. */
export function toolMissing(tool: string, where: string): LabError {
  return new LabError("EXEC_NOT_STARTED", `${tool} could not be started: ${where} has no such program`);
}
