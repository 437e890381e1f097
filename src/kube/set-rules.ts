import type { YamlPath } from "../core/yaml-document.ts";
import type { ManifestFindings } from "./manifest-findings.ts";
import { dns1035LabelProblem } from "./names.ts";
import { checkWorkload } from "./pod-rules.ts";
import { checkOneOf } from "./selector-rules.ts";
import type { DaemonSet, StatefulSet } from "./set-types.ts";
import type { IntOrString } from "./types.ts";

const STRATEGIES = ["RollingUpdate", "OnDelete"];
const STRATEGY = ["spec", "updateStrategy"];

/** Checks what the API server checks of a StatefulSet beyond its structure (apps validation.go, ValidateStatefulSetSpec). */
export function checkStatefulSet(spec: StatefulSet["spec"], findings: ManifestFindings): void {
  checkWorkload("StatefulSet", spec, findings);
  const { serviceName, podManagementPolicy, updateStrategy, ordinals } = spec;
  if (serviceName !== undefined && serviceName !== "") {
    const problem = dns1035LabelProblem(serviceName);
    if (problem !== undefined)
      findings.error(
        "MANIFEST_BAD_NAME",
        ["spec", "serviceName"],
        `serviceName ${JSON.stringify(serviceName)} ${problem}`,
      );
  }
  checkOneOf(podManagementPolicy, ["OrderedReady", "Parallel"], ["spec", "podManagementPolicy"], findings);
  checkCount(ordinals?.start, ["spec", "ordinals", "start"], findings);
  checkStrategy(updateStrategy, findings);
  const rolling = [...STRATEGY, "rollingUpdate"];
  checkCount(updateStrategy?.rollingUpdate?.partition, [...rolling, "partition"], findings);
  checkShare(updateStrategy?.rollingUpdate?.maxUnavailable, [...rolling, "maxUnavailable"], findings);
}

/** The same of a DaemonSet (ValidateDaemonSetSpec): one of surge and unavailability, and never neither. */
export function checkDaemonSet(spec: DaemonSet["spec"], findings: ManifestFindings): void {
  checkWorkload("DaemonSet", spec, findings);
  checkStrategy(spec.updateStrategy, findings);
  const { rollingUpdate } = spec.updateStrategy ?? {};
  if (rollingUpdate === undefined) return;
  const at = [...STRATEGY, "rollingUpdate"];
  const { maxSurge = 0, maxUnavailable = 1 } = rollingUpdate;
  checkShare(maxSurge, [...at, "maxSurge"], findings);
  checkShare(maxUnavailable, [...at, "maxUnavailable"], findings);
  if (findings.hasErrorBelow(at)) return;
  if (isNone(maxSurge) && isNone(maxUnavailable)) {
    findings.error("MANIFEST_BAD_VALUE", [...at, "maxUnavailable"], "maxUnavailable cannot be 0 where maxSurge is 0");
  } else if (!isNone(maxSurge) && !isNone(maxUnavailable)) {
    findings.error(
      "MANIFEST_BAD_VALUE",
      [...at, "maxSurge"],
      "maxSurge and maxUnavailable cannot both be set",
      "add maxUnavailable: 0, which is 1 by default",
    );
  }
}

function checkStrategy(
  strategy: { type?: string; rollingUpdate?: unknown } | undefined,
  findings: ManifestFindings,
): void {
  checkOneOf(strategy?.type, STRATEGIES, [...STRATEGY, "type"], findings);
  if (strategy?.type === "OnDelete" && strategy.rollingUpdate !== undefined)
    findings.error(
      "MANIFEST_BAD_VALUE",
      [...STRATEGY, "rollingUpdate"],
      "rollingUpdate belongs to type RollingUpdate",
      undefined,
      "key",
    );
}

function checkCount(value: number | undefined, path: YamlPath, findings: ManifestFindings): void {
  if (value !== undefined && value < 0)
    findings.error("MANIFEST_BAD_VALUE", path, `${String(path.at(-1))} cannot be negative`);
}

/** A count or a percentage up to 100. */
function checkShare(value: IntOrString | undefined, path: YamlPath, findings: ManifestFindings): void {
  if (value === undefined) return;
  const isRight =
    typeof value === "number" ? value >= 0 : /^\d{1,3}%$/.test(value) && Number.parseInt(value, 10) <= 100;
  if (!isRight)
    findings.error(
      "MANIFEST_BAD_VALUE",
      path,
      `${String(path.at(-1))} ${JSON.stringify(value)} is neither a count nor a percentage up to 100%`,
    );
}

function isNone(value: IntOrString): boolean {
  return value === 0 || value === "0%";
}
