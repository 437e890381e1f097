import { parseDurationMs } from "../../core/duration.ts";
import { isRecord } from "../../core/is-record.ts";
import { didYouMean } from "../../core/suggest.ts";
import { parseCidr, parseIp } from "../../core/ip.ts";
import type { YamlPath } from "../../core/yaml-document.ts";
import type { ManifestFindings } from "../manifest-findings.ts";
import type { KubeObject } from "../types.ts";
import { fieldsAt } from "./fields-of.ts";
import { CONDITION_KEYS, HEADER_KEY, isMeshObject, type MeshKind } from "./mesh-types.ts";

/** What would let in, refuse or lead elsewhere other traffic than on a real mesh. */
const REFUSED: Readonly<Record<MeshKind, readonly string[]>> = {
  VirtualService: [
    "spec.tls",
    "spec.exportTo",
    "spec.http[].delegate",
    "spec.http[].rewrite.uriRegexRewrite",
    "spec.http[].redirect.derivePort",
    "spec.http[].directResponse.body.bytes",
    "spec.http[].fault.abort.grpcStatus",
    "spec.http[].fault.abort.http2Error",
    "spec.http[].fault.delay.exponentialDelay",
    "spec.http[].fault.delay.percent",
  ],
  DestinationRule: [
    "spec.exportTo",
    "spec.workloadSelector",
    "spec.trafficPolicy.tunnel",
    "spec.trafficPolicy.loadBalancer.consistentHash",
    "spec.trafficPolicy.portLevelSettings[].loadBalancer.consistentHash",
    "spec.subsets[].trafficPolicy.loadBalancer.consistentHash",
    "spec.subsets[].trafficPolicy.portLevelSettings[].loadBalancer.consistentHash",
  ],
  PeerAuthentication: [],
  AuthorizationPolicy: [
    "spec.targetRef",
    "spec.targetRefs",
    "spec.provider",
    "spec.rules[].from[].source.requestPrincipals",
    "spec.rules[].from[].source.notRequestPrincipals",
    "spec.rules[].from[].source.remoteIpBlocks",
    "spec.rules[].from[].source.notRemoteIpBlocks",
  ],
};

const POLICIES = [
  "spec.trafficPolicy",
  "spec.trafficPolicy.portLevelSettings[]",
  "spec.subsets[].trafficPolicy",
  "spec.subsets[].trafficPolicy.portLevelSettings[]",
];

/** What is left out, with nothing said that is wrong of who reaches whom. */
const IGNORED: Readonly<Record<MeshKind, readonly string[]>> = {
  VirtualService: [
    "spec.http[].mirror",
    "spec.http[].mirrors",
    "spec.http[].mirrorPercent",
    "spec.http[].mirrorPercentage",
    "spec.http[].corsPolicy",
    "spec.http[].retries.retryRemoteLocalities",
    "spec.http[].retries.retryIgnorePreviousHosts",
    "spec.http[].retries.backoff",
  ],
  DestinationRule: [
    ...POLICIES.flatMap((policy) => [
      `${policy}.connectionPool`,
      `${policy}.outlierDetection`,
      `${policy}.loadBalancer.localityLbSetting`,
      `${policy}.loadBalancer.warmup`,
      `${policy}.loadBalancer.warmupDurationSecs`,
    ]),
    "spec.trafficPolicy.proxyProtocol",
    "spec.trafficPolicy.retryBudget",
  ],
  PeerAuthentication: [],
  AuthorizationPolicy: [],
};

/** Words that a field may have; those behind `refused` a real mesh knows, too. */
interface Choice {
  at: string;
  words: readonly string[];
  refused?: readonly string[];
}

const CHOICES: Readonly<Record<MeshKind, readonly Choice[]>> = {
  VirtualService: [],
  DestinationRule: POLICIES.flatMap((policy): Choice[] => [
    { at: `${policy}.tls.mode`, words: ["DISABLE", "ISTIO_MUTUAL"], refused: ["SIMPLE", "MUTUAL"] },
    {
      at: `${policy}.loadBalancer.simple`,
      words: ["ROUND_ROBIN", "RANDOM", "LEAST_REQUEST", "UNSPECIFIED"],
      refused: ["PASSTHROUGH", "LEAST_CONN"],
    },
  ]),
  PeerAuthentication: [
    { at: "spec.mtls.mode", words: ["STRICT", "PERMISSIVE", "DISABLE", "UNSET"] },
    { at: "spec.portLevelMtls{}.mode", words: ["STRICT", "PERMISSIVE", "DISABLE", "UNSET"] },
  ],
  AuthorizationPolicy: [{ at: "spec.action", words: ["ALLOW", "DENY"], refused: ["CUSTOM", "AUDIT"] }],
};

/** What Istio's webhook refuses of its objects, and what of them is not modelled here. Their structure is sound. */
export function checkMeshObject(object: KubeObject, findings: ManifestFindings): void {
  if (!isMeshObject(object)) return;
  const kind = object.kind as MeshKind;
  for (const pattern of REFUSED[kind])
    for (const { path } of fieldsAt(object, pattern)) refuse(path, String(path.at(-1)), findings);
  for (const pattern of IGNORED[kind])
    for (const { path } of fieldsAt(object, pattern))
      findings.warn(
        "MANIFEST_NOT_MODELLED",
        path,
        `${String(path.at(-1))} is not modelled`,
        "the embedded engine ignores it; a real mesh does not",
        "key",
      );
  for (const choice of CHOICES[kind]) checkChoice(object, choice, findings);
  if (kind === "VirtualService") checkVirtualService(object, findings);
  if (kind === "DestinationRule") checkSubsets(object, findings);
  if (kind === "PeerAuthentication") checkPortLevels(object, findings);
  if (kind === "AuthorizationPolicy") checkAuthorization(object, findings);
}

function refuse(path: YamlPath, what: string, findings: ManifestFindings): void {
  const hint = "leave it out: without it other requests would be answered here than on a real mesh";
  findings.error("MESH_NOT_MODELLED", path, `${what} is not modelled`, hint, "key");
}

function bad(path: YamlPath, message: string, findings: ManifestFindings, hint?: string): void {
  findings.error("MANIFEST_BAD_VALUE", path, message, hint);
}

function checkChoice(object: KubeObject, { at, words, refused = [] }: Choice, findings: ManifestFindings): void {
  for (const { path, value } of fieldsAt(object, at)) {
    const word = String(value);
    if (refused.includes(word)) refuse(path, `${String(path.at(-1))} ${word}`, findings);
    else if (!words.includes(word)) {
      const hint = didYouMean(word, words) ?? `one of ${words.join(", ")}`;
      bad(path, `${String(path.at(-1))} ${JSON.stringify(word)} is not known`, findings, hint);
    }
  }
}

const DURATIONS = ["spec.http[].timeout", "spec.http[].retries.perTryTimeout", "spec.http[].fault.delay.fixedDelay"];
const MATCHES = ["uri", "scheme", "method", "authority", "headers{}", "withoutHeaders{}", "queryParams{}"];

function checkVirtualService(object: KubeObject, findings: ManifestFindings): void {
  for (const pattern of DURATIONS)
    for (const { path, value } of fieldsAt(object, pattern))
      if (parseDurationMs(String(value)) === undefined)
        bad(path, `${JSON.stringify(value)} is no duration`, findings, "write it as 500ms or 2s");
  for (const field of MATCHES)
    for (const { path, value } of fieldsAt(object, `spec.http[].match[].${field}`)) checkMatch(value, path, findings);
  for (const { path, value } of fieldsAt(object, "spec.http[]")) {
    const does = ["route", "redirect", "directResponse"].filter((each) => isRecord(value) && value[each] !== undefined);
    if (does.length !== 1 && !findings.hasErrorBelow(path))
      bad(path, `an HTTP route has one of route, redirect and directResponse, not ${does.length}`, findings);
  }
  for (const list of ["spec.http[].route", "spec.tcp[].route"])
    for (const { path, value } of fieldsAt(object, list)) {
      const weights = Array.isArray(value) ? value.map((each: unknown) => (isRecord(each) ? each["weight"] : 0)) : [];
      const total = weights.reduce<number>((sum, weight) => sum + (typeof weight === "number" ? weight : 0), 0);
      if (weights.length > 1 && total === 0) bad(path, "the weights of several destinations are all 0", findings);
      if (weights.some((weight) => typeof weight === "number" && weight < 0))
        bad(path, "a weight is less than 0", findings);
    }
}

function checkMatch(value: unknown, path: YamlPath, findings: ManifestFindings): void {
  if (!isRecord(value)) return;
  if (Object.keys(value).length > 1)
    bad(path, "a match has one of exact, prefix and regex", findings, "write another match for the other");
  const { regex } = value;
  if (typeof regex !== "string") return;
  try {
    new RegExp(`^(?:${regex})$`, "u");
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    bad([...path, "regex"], `${JSON.stringify(regex)} is no regular expression that is understood here`, findings);
  }
}

function checkSubsets(object: KubeObject, findings: ManifestFindings): void {
  const names = new Set<unknown>();
  for (const { path, value } of fieldsAt(object, "spec.subsets[].name")) {
    if (names.has(value)) findings.error("MANIFEST_DUPLICATE_NAME", path, `two subsets are called ${String(value)}`);
    names.add(value);
  }
}

function checkPortLevels(object: KubeObject, findings: ManifestFindings): void {
  const ports = fieldsAt(object, "spec.portLevelMtls{}");
  for (const { path } of ports)
    if (!/^[1-9]\d{0,4}$/.test(String(path.at(-1))))
      bad(path, `${JSON.stringify(path.at(-1))} is no port`, findings, "a port of the pod, as a number");
  if (ports.length > 0 && fieldsAt(object, "spec.selector.matchLabels{}").length === 0)
    bad(["spec", "portLevelMtls"], "portLevelMtls needs a selector", findings, "without one Istio ignores it");
}

function checkAuthorization(object: KubeObject, findings: ManifestFindings): void {
  for (const { path, value } of fieldsAt(object, "spec.rules[].when[].key")) {
    const key = String(value);
    if (HEADER_KEY.test(key) || (CONDITION_KEYS as readonly string[]).includes(key)) continue;
    if (/^(request\.auth\.|remote\.ip$|experimental\.)/.test(key)) refuse(path, `key ${key}`, findings);
    else bad(path, `key ${JSON.stringify(key)} is not known`, findings, didYouMean(key, CONDITION_KEYS));
  }
  for (const field of ["paths", "notPaths"])
    for (const { path, value } of fieldsAt(object, `spec.rules[].to[].operation.${field}[]`))
      if (String(value).includes("{")) refuse(path, `the path template ${String(value)}`, findings);
  for (const field of ["ipBlocks", "notIpBlocks"])
    for (const { path, value } of fieldsAt(object, `spec.rules[].from[].source.${field}[]`))
      if (parseCidr(String(value)) === undefined && parseIp(String(value)) === undefined)
        bad(path, `${JSON.stringify(value)} is neither an address nor a CIDR`, findings);
  const { action, rules } = (object["spec"] ?? {}) as { action?: unknown; rules?: unknown };
  if (action === "DENY" && (!Array.isArray(rules) || rules.length === 0))
    bad(["spec", "action"], "a DENY policy without rules denies nothing", findings, "rules: [{}] denies everything");
}
