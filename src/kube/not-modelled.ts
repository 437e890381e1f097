import type { YamlPath } from "../core/yaml-document.ts";
import type { ManifestFindings } from "./manifest-findings.ts";
import type { KubeObject, PodSpec, Service } from "./types.ts";

const HINT = "the embedded engine ignores it; a real cluster does not";

/** Warns of fields that the embedded engine does not model although they change what can reach what. */
export function warnNotModelled(object: KubeObject, findings: ManifestFindings): void {
  if (object.kind === "Service") warnOfService(object as Service, findings);
  const [spec, path] = podSpecOf(object);
  if (spec !== undefined) warnOfPod(spec, path, findings);
}

function podSpecOf(object: KubeObject): [PodSpec | undefined, YamlPath] {
  if (object.kind === "Pod") return [object["spec"] as PodSpec | undefined, ["spec"]];
  if (object.kind !== "Deployment" && object.kind !== "ReplicaSet") return [undefined, []];
  const { template } = (object["spec"] ?? {}) as { template?: { spec?: PodSpec } };
  return [template?.spec, ["spec", "template", "spec"]];
}

function warnOfService({ spec }: Service, findings: ManifestFindings): void {
  if (spec?.type !== undefined && ["NodePort", "LoadBalancer", "ExternalName"].includes(spec.type)) {
    warn(["spec", "type"], `Service type ${spec.type}`, findings);
  }
  if (spec?.sessionAffinity === "ClientIP") warn(["spec", "sessionAffinity"], "sessionAffinity", findings);
  if ((spec?.["externalIPs"] as unknown[] | undefined)?.length) warn(["spec", "externalIPs"], "externalIPs", findings);
  for (const [index, port] of (spec?.ports ?? []).entries()) {
    if (port?.protocol === "SCTP") warn(["spec", "ports", index, "protocol"], "SCTP", findings);
  }
}

function warnOfPod(spec: PodSpec, path: YamlPath, findings: ManifestFindings): void {
  if (spec.hostNetwork === true) warn([...path, "hostNetwork"], "hostNetwork", findings);
  if ((spec.initContainers ?? []).length > 0) warn([...path, "initContainers"], "initContainers", findings);
  for (const [index, container] of (spec.containers ?? []).entries()) {
    const at = [...path, "containers", index];
    if (container?.["readinessProbe"] !== undefined) warn([...at, "readinessProbe"], "readinessProbe", findings);
    for (const [position, port] of (container?.ports ?? []).entries()) {
      if (port?.hostPort !== undefined) warn([...at, "ports", position, "hostPort"], "hostPort", findings);
    }
  }
}

function warn(path: YamlPath, what: string, findings: ManifestFindings): void {
  findings.warn("MANIFEST_NOT_MODELLED", path, `${what} is not modelled`, HINT, "key");
}
