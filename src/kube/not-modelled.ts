import { isRecord } from "../core/is-record.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import type { ManifestFindings } from "./manifest-findings.ts";
import type { StatefulSet } from "./set-types.ts";
import type { KubeObject, PodSpec } from "./types.ts";

const HINT = "the embedded engine ignores it; a real cluster does not";

const TEMPLATE_KINDS = new Set(["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"]);

/** Warns of fields that the embedded engine does not model although they change what can reach what. */
export function warnNotModelled(object: KubeObject, findings: ManifestFindings): void {
  if (object.kind === "StatefulSet" && (object as Partial<StatefulSet>).spec?.["volumeClaimTemplates"] !== undefined)
    warn(["spec", "volumeClaimTemplates"], "volumeClaimTemplates", findings);
  const [spec, path] = podSpecOf(object);
  if (spec !== undefined) warnOfPod(spec, path, findings);
}

function podSpecOf(object: KubeObject): [PodSpec | undefined, YamlPath] {
  if (object.kind === "Pod") return [object["spec"] as PodSpec | undefined, ["spec"]];
  if (!TEMPLATE_KINDS.has(object.kind)) return [undefined, []];
  const { template } = (object["spec"] ?? {}) as { template?: { spec?: PodSpec } };
  return [template?.spec, ["spec", "template", "spec"]];
}

function warnOfPod(spec: PodSpec, path: YamlPath, findings: ManifestFindings): void {
  if ((spec.initContainers ?? []).length > 0) warn([...path, "initContainers"], "initContainers", findings);
  for (const [index, container] of (spec.containers ?? []).entries()) {
    const at = [...path, "containers", index];
    for (const [position, port] of (container?.ports ?? []).entries()) {
      // The rules of Services, host ports and policies are there; a server is not.
      if (port?.protocol === "SCTP") warn([...at, "ports", position, "protocol"], "a server of an SCTP port", findings);
    }
    for (const field of ["startupProbe", "livenessProbe", "readinessProbe"]) {
      const probe = container?.[field];
      if (isRecord(probe) && probe["exec"] !== undefined) warn([...at, field, "exec"], `a ${field} by exec`, findings);
    }
  }
}

function warn(path: YamlPath, what: string, findings: ManifestFindings): void {
  findings.warn("MANIFEST_NOT_MODELLED", path, `${what} is not modelled`, HINT, "key");
}
