import { LabError } from "../../core/errors.ts";
import { dns1035LabelProblem, dnsLabelProblem, dnsSubdomainProblem } from "../../kube/names.ts";
import type { KubeObject } from "../../kube/types.ts";

/**
 * Throws OBJECT_INVALID for a name the API refuses (kubernetes.io/docs/concepts/overview/working-with-objects/names).
 * Kinds whose names may hold more (RBAC allows colons) must still be a safe path segment.
 */
export function checkName(object: KubeObject, key: string): void {
  const { name, namespace } = object.metadata;
  if (typeof name !== "string" || name === "") throw invalid(object, "metadata.name is missing");
  const namespaceProblem = namespace === undefined ? undefined : dnsLabelProblem(namespace);
  if (namespaceProblem !== undefined) throw invalid(object, `namespace "${namespace}" ${namespaceProblem}`);
  const problem = nameProblem(name, key);
  if (problem !== undefined) throw invalid(object, `name "${name}" ${problem}`);
}

function nameProblem(name: string, key: string): string | undefined {
  if (key === "Service") return dns1035LabelProblem(name);
  if (key === "Namespace") return dnsLabelProblem(name);
  if (!/Role(Binding)?$/.test(key)) return dnsSubdomainProblem(name);
  return name === "." || name === ".." || /[/%]/.test(name) ? "is not a path segment" : undefined;
}

function invalid(object: KubeObject, reason: string): LabError {
  return new LabError("OBJECT_INVALID", `${object.kind}: ${reason}`);
}
