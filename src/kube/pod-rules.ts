import type { YamlPath } from "../core/yaml-document.ts";
import type { ManifestFindings } from "./manifest-findings.ts";
import { dnsLabelProblem, portNameProblem } from "./names.ts";
import { matchesSelector } from "./selectors.ts";
import { checkLabels, checkOneOf, checkSelector } from "./selector-rules.ts";
import type { Container, ContainerPort, LabelSelector, PodSpec, PodTemplateSpec } from "./types.ts";

/** Transport protocols of the API. */
export const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const;

const DNS_POLICIES = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];

/** Checks the template and selector of a workload. Values may be missing where structure told so. */
export function checkWorkload(
  kind: string,
  spec: { replicas?: number; selector?: LabelSelector; template?: PodTemplateSpec },
  findings: ManifestFindings,
): void {
  const { replicas, selector, template } = spec;
  if (replicas !== undefined && replicas < 0)
    findings.error("MANIFEST_BAD_VALUE", ["spec", "replicas"], "replicas cannot be negative");
  checkSelector(selector, ["spec", "selector"], findings);
  const labels = template?.metadata?.labels;
  checkLabels(labels, ["spec", "template", "metadata", "labels"], findings);
  if (selector !== undefined && !findings.hasErrorBelow(["spec", "selector"])) {
    const isEmpty = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0;
    if (isEmpty) {
      findings.error(
        "MANIFEST_BAD_SELECTOR",
        ["spec", "selector"],
        `a ${kind}'s selector cannot be empty`,
        undefined,
        "key",
      );
    } else if (template !== undefined && !matchesSelector(selector, labels)) {
      const hint = `spec.template.metadata.labels has ${JSON.stringify(labels ?? {})}; it must have every label of the selector`;
      findings.error(
        "MANIFEST_SELECTOR_MISMATCH",
        ["spec", "selector"],
        "the selector does not match the labels of the template",
        hint,
        "key",
      );
    }
  }
  if (template?.spec === undefined) return;
  checkPodSpec(template.spec, ["spec", "template", "spec"], findings);
  if (template.spec.restartPolicy !== undefined && template.spec.restartPolicy !== "Always") {
    findings.error(
      "MANIFEST_BAD_VALUE",
      ["spec", "template", "spec", "restartPolicy"],
      `restartPolicy of a ${kind} can only be Always`,
    );
  }
}

/** Checks what the API server checks of a pod beyond its structure (core validation.go), as far as networks are concerned. */
export function checkPodSpec(spec: PodSpec, path: YamlPath, findings: ManifestFindings): void {
  if (spec.containers?.length === 0) {
    findings.error(
      "MANIFEST_MISSING_FIELD",
      [...path, "containers"],
      "a pod needs at least one container",
      undefined,
      "key",
    );
  }
  checkOneOf(spec.restartPolicy, ["Always", "OnFailure", "Never"], [...path, "restartPolicy"], findings);
  checkOneOf(spec.dnsPolicy, DNS_POLICIES, [...path, "dnsPolicy"], findings);
  checkLabels(spec.nodeSelector, [...path, "nodeSelector"], findings);
  const names = new Set<string>();
  const portOwners = new Map<string, string>();
  const volumes = new Set(namesOf(spec["volumes"]));
  for (const list of ["initContainers", "containers"] as const) {
    for (const [index, container] of (spec[list] ?? []).entries()) {
      if (container === undefined) continue;
      const at = [...path, list, index];
      checkContainerName(container, names, at, findings);
      const owners = list === "containers" ? portOwners : new Map<string, string>();
      checkProbes(container, at, findings);
      checkContainerPorts(container, at, findings, owners, spec.hostNetwork === true);
      for (const [position, name] of namesOf(container["volumeMounts"]).entries()) {
        if (volumes.has(name)) continue;
        findings.error(
          "MANIFEST_BAD_VALUE",
          [...at, "volumeMounts", position, "name"],
          `no volume ${JSON.stringify(name)} in this pod`,
        );
      }
    }
  }
}

function checkContainerName({ name }: Container, names: Set<string>, at: YamlPath, findings: ManifestFindings): void {
  if (typeof name !== "string") return;
  const problem = dnsLabelProblem(name);
  if (problem !== undefined)
    findings.error("MANIFEST_BAD_NAME", [...at, "name"], `container name ${JSON.stringify(name)} ${problem}`);
  if (names.has(name))
    findings.error(
      "MANIFEST_DUPLICATE_NAME",
      [...at, "name"],
      `two containers of this pod are called ${JSON.stringify(name)}`,
    );
  names.add(name);
}

/** One pass has to do for the probes whose failure ends the container. */
function checkProbes(container: Container, at: YamlPath, findings: ManifestFindings): void {
  for (const field of ["livenessProbe", "startupProbe"]) {
    const passes = (container[field] as { successThreshold?: unknown } | undefined)?.successThreshold;
    // 0 is as good as none to the API.
    if (typeof passes !== "number" || passes === 0 || passes === 1) continue;
    findings.error(
      "MANIFEST_BAD_VALUE",
      [...at, field, "successThreshold"],
      `successThreshold of a ${field} can only be 1`,
    );
  }
}

function checkContainerPorts(
  container: Container,
  at: YamlPath,
  findings: ManifestFindings,
  owners: Map<string, string>,
  isHostNetwork: boolean,
): void {
  const names = new Set<string>();
  for (const [index, port] of (container.ports ?? []).entries()) {
    if (port === undefined) continue;
    const portPath = [...at, "ports", index];
    checkPortNumber(port.containerPort, [...portPath, "containerPort"], findings);
    checkOneOf(port.protocol, PROTOCOLS, [...portPath, "protocol"], findings);
    // 0 is as good as none to the API.
    const hostPort = port.hostPort === 0 ? undefined : port.hostPort;
    checkPortNumber(hostPort, [...portPath, "hostPort"], findings);
    if (isHostNetwork && hostPort !== undefined && hostPort !== port.containerPort)
      findings.error(
        "MANIFEST_BAD_PORT",
        [...portPath, "hostPort"],
        "hostPort must be the containerPort where hostNetwork is true",
        "leave hostPort out",
      );
    checkPortName(port, names, portPath, findings);
    if (port.containerPort === undefined) continue;
    const key = `${port.containerPort}/${port.protocol ?? "TCP"}`;
    const owner = owners.get(key);
    if (owner !== undefined && owner !== container.name) {
      const message = `containers ${owner} and ${container.name} both declare ${key}`;
      findings.warn(
        "MANIFEST_PORT_CONFLICT",
        [...portPath, "containerPort"],
        message,
        "containers of one pod share its ports: only one of them can listen",
      );
    }
    owners.set(key, container.name);
  }
}

function checkPortName(
  { name }: ContainerPort,
  names: Set<string>,
  portPath: YamlPath,
  findings: ManifestFindings,
): void {
  if (name === undefined) return;
  const problem = portNameProblem(name);
  if (problem !== undefined)
    findings.error("MANIFEST_BAD_NAME", [...portPath, "name"], `port name ${JSON.stringify(name)} ${problem}`);
  if (names.has(name))
    findings.error(
      "MANIFEST_DUPLICATE_NAME",
      [...portPath, "name"],
      `two ports of this container are called ${JSON.stringify(name)}`,
    );
  names.add(name);
}

/** Reports a port number outside 1 to 65535; absent values pass. */
export function checkPortNumber(port: unknown, path: YamlPath, findings: ManifestFindings): void {
  if (typeof port !== "number" || (port >= 1 && port <= 65_535)) return;
  findings.error("MANIFEST_BAD_PORT", path, `port ${port} is not between 1 and 65535`);
}

function namesOf(list: unknown): string[] {
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown) =>
    typeof item === "object" && item !== null && "name" in item ? String(item.name) : "",
  );
}
