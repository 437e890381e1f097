import { LabError } from "../../core/errors.ts";
import { isRecord } from "../../core/is-record.ts";
import { formatSelector, isEmptySelector, matchesSelector } from "../../kube/selectors.ts";
import type { Deployment, KubeObject, Pod } from "../../kube/types.ts";
import { describe } from "../store/object-parts.ts";
import type { AdmissionRule } from "../store/store.ts";

/** Refuses what the control loops could not work with: a workload that does not select its own pods, a pod without containers. */
export const checkWorkload: AdmissionRule = (draft, { operation, key }) => {
  if (operation === "delete") return;
  if (WORKLOADS.has(key)) checkTemplate(draft as Deployment);
  if (key === "Pod") checkContainers(draft, (draft as Partial<Pod>).spec);
  if ((key === "Service" || key === "NetworkPolicy") && !isRecord(draft["spec"]))
    throw invalid(draft, "spec is missing");
};

/** Kinds with a selector and a pod template, where a Deployment has them. */
const WORKLOADS: ReadonlySet<string> = new Set(["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"]);

function checkTemplate(object: Deployment): void {
  const spec: unknown = object.spec;
  if (!isRecord(spec) || !isRecord(spec["template"])) throw invalid(object, "spec.template is missing");
  if (!isRecord(spec["selector"]) || isEmptySelector(object.spec.selector))
    throw invalid(object, "spec.selector is missing or empty");
  checkContainers(object, spec["template"]["spec"]);
  const { selector, template, replicas } = object.spec;
  if (!matchesSelector(selector, template.metadata?.labels)) {
    throw invalid(object, `spec.selector (${formatSelector(selector)}) does not match the labels of spec.template`);
  }
  if (replicas !== undefined && (!Number.isInteger(replicas) || replicas < 0))
    throw invalid(object, `spec.replicas ${replicas} is not a count`);
}

function checkContainers(object: KubeObject, spec: unknown): void {
  const containers = isRecord(spec) ? spec["containers"] : undefined;
  if (!Array.isArray(containers) || containers.length === 0) throw invalid(object, "the pod has no containers");
  const names = new Set<unknown>();
  for (const container of containers) {
    const name: unknown = isRecord(container) ? container["name"] : undefined;
    if (!isRecord(container) || typeof name !== "string") throw invalid(object, "a container has no name");
    if (typeof container["image"] !== "string" || container["image"] === "")
      throw invalid(object, `container "${name}" has no image`);
    if (names.has(name)) throw invalid(object, `two containers are named "${name}"`);
    names.add(name);
  }
}

function invalid(object: KubeObject, reason: string): LabError {
  return new LabError("OBJECT_INVALID", `${describe(object)}: ${reason}`);
}
