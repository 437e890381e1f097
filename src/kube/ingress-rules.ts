import { isRecord } from "../core/is-record.ts";
import { parseIp } from "../core/ip.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { CLASS_ANNOTATION } from "./ingress.ts";
import type { ManifestFindings } from "./manifest-findings.ts";
import { dns1035LabelProblem, dnsSubdomainProblem, portNameProblem } from "./names.ts";
import type { KubeObject } from "./types.ts";

/** What the API server says of one field of an Ingress. */
export interface IngressProblem {
  path: YamlPath;
  value: unknown;
  /** Empty where the field is missing and there is no more to say. */
  detail: string;
  reason?: "required" | "not-supported";
}

const PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"];

/** What no path of type Exact or Prefix may hold, and what it may not end with. */
const FORBIDDEN = ["//", "/./", "/../", "%2f", "%2F"];
const FORBIDDEN_ENDS = ["/..", "/."];

/**
 * What the API server has against an Ingress, in the order it finds it (pkg/apis/networking/validation ValidateIngressCreate, or
 * ValidateIngressUpdate where it is not new).
 */
export function ingressProblems({ metadata, ...object }: KubeObject, isNew = true): IngressProblem[] {
  const spec = object["spec"];
  if (!isRecord(spec)) return [wrong(["spec"], [], "either `defaultBackend` or `rules` must be specified")];
  const { rules, defaultBackend, tls, ingressClassName } = spec;
  const found: IngressProblem[] = [];
  if (recordsOf(rules).length === 0 && defaultBackend === undefined)
    found.push(wrong(["spec"], rules ?? [], "either `defaultBackend` or `rules` must be specified"));
  if (defaultBackend !== undefined) found.push(...backendProblems(defaultBackend, ["spec", "defaultBackend"]));
  for (const [index, rule] of recordsOf(rules).entries()) found.push(...ruleProblems(rule, ["spec", "rules", index]));
  for (const [index, entry] of recordsOf(tls).entries()) found.push(...tlsProblems(entry, ["spec", "tls", index]));
  if (typeof ingressClassName === "string") {
    const problem = dnsSubdomainProblem(ingressClassName);
    if (problem !== undefined) found.push(wrong(["spec", "ingressClassName"], ingressClassName, problem));
    const annotated = metadata.annotations?.[CLASS_ANNOTATION];
    if (isNew && annotated !== undefined && annotated !== ingressClassName)
      found.push(
        wrong(["annotations", CLASS_ANNOTATION], annotated, "must match `ingressClassName` when both are specified"),
      );
  }
  return found;
}

/** The same of a manifest's Ingress. */
export function checkIngress(object: KubeObject, findings: ManifestFindings): void {
  for (const { path, value, detail, reason } of ingressProblems(object)) {
    const at = path[0] === "annotations" ? ["metadata", ...path] : path;
    const field = String(path.at(-1));
    if (reason === "required") {
      const message = detail === "" ? `${field} is missing` : detail;
      findings.error("MANIFEST_MISSING_FIELD", at, message, hintOf(field), "missing");
    } else findings.error("MANIFEST_BAD_VALUE", at, `${field} ${JSON.stringify(value)}: ${detail}`);
  }
}

function hintOf(field: string): string | undefined {
  return field === "pathType" ? "write Prefix, Exact or ImplementationSpecific" : undefined;
}

function wrong(path: YamlPath, value: unknown, detail: string): IngressProblem {
  return { path, value, detail };
}

function required(path: YamlPath, detail = ""): IngressProblem {
  return { path, value: undefined, detail, reason: "required" };
}

function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function ruleProblems({ host, http }: Record<string, unknown>, at: YamlPath): IngressProblem[] {
  const found = typeof host === "string" && host !== "" ? hostProblems(host, [...at, "host"]) : [];
  if (!isRecord(http)) return found;
  const paths = recordsOf(http["paths"]);
  if (paths.length === 0) found.push(required([...at, "http", "paths"]));
  for (const [index, path] of paths.entries()) found.push(...pathProblems(path, [...at, "http", "paths", index]));
  return found;
}

function hostProblems(host: string, at: YamlPath): IngressProblem[] {
  if (parseIp(host) !== undefined) return [wrong(at, host, "must be a DNS name, not an IP address")];
  return nameProblems(host, at);
}

/** A wildcard is one label, the first. */
function nameProblems(host: string, at: YamlPath): IngressProblem[] {
  const isWildcard = host.includes("*");
  const problem = isWildcard && !host.startsWith("*.") ? "a wildcard stands first, and alone in its label" : undefined;
  const rest = problem ?? dnsSubdomainProblem(isWildcard ? host.slice(2) : host);
  return rest === undefined ? [] : [wrong(at, host, rest)];
}

function tlsProblems({ hosts, secretName }: Record<string, unknown>, at: YamlPath): IngressProblem[] {
  const names = Array.isArray(hosts) ? hosts : [];
  const found = names.flatMap((host, index) =>
    typeof host === "string" ? nameProblems(host, [...at, "hosts", index]) : [],
  );
  const problem = typeof secretName === "string" && secretName !== "" ? dnsSubdomainProblem(secretName) : undefined;
  return problem === undefined ? found : [...found, wrong([...at, "secretName"], secretName, problem)];
}

function pathProblems({ path, pathType, backend }: Record<string, unknown>, at: YamlPath): IngressProblem[] {
  if (pathType === undefined || pathType === null) return [required([...at, "pathType"], "pathType must be specified")];
  const text = typeof path === "string" ? path : "";
  const where = [...at, "path"];
  const found: IngressProblem[] = [];
  if (!PATH_TYPES.includes(String(pathType))) {
    const supported = PATH_TYPES.map((each) => JSON.stringify(each)).join(", ");
    found.push({
      path: [...at, "pathType"],
      value: pathType,
      detail: `supported values: ${supported}`,
      reason: "not-supported",
    });
  } else if (pathType === "ImplementationSpecific") {
    if (text !== "" && !text.startsWith("/")) found.push(wrong(where, text, "must be an absolute path"));
  } else {
    if (!text.startsWith("/")) found.push(wrong(where, text, "must be an absolute path"));
    for (const part of FORBIDDEN) if (text.includes(part)) found.push(wrong(where, text, `must not contain '${part}'`));
    for (const end of FORBIDDEN_ENDS)
      if (text.endsWith(end)) found.push(wrong(where, text, `cannot end with '${end}'`));
  }
  return [...found, ...backendProblems(backend, [...at, "backend"])];
}

function backendProblems(backend: unknown, at: YamlPath): IngressProblem[] {
  const { service, resource } = isRecord(backend) ? backend : {};
  if (resource !== undefined && service !== undefined)
    return [wrong(at, "", "cannot set both resource and service backends")];
  if (resource !== undefined) return [];
  if (!isRecord(service)) return [wrong(at, "", "resource or service backend is required")];
  const { name, port } = service;
  const found: IngressProblem[] = [];
  const isNamed = typeof name === "string" && name !== "";
  const problem = isNamed ? dns1035LabelProblem(name) : undefined;
  if (!isNamed) found.push(required([...at, "service", "name"]));
  if (problem !== undefined) found.push(wrong([...at, "service", "name"], name, problem));
  const { name: portName, number } = isRecord(port) ? port : {};
  const hasName = typeof portName === "string" && portName !== "";
  const hasNumber = typeof number === "number" && number !== 0;
  if (hasName && hasNumber) found.push(wrong(at, "", "cannot set both port name & port number"));
  else if (hasName) {
    const why = portNameProblem(portName);
    if (why !== undefined) found.push(wrong([...at, "service", "port", "name"], portName, why));
  } else if (hasNumber) {
    if (!Number.isInteger(number) || number < 1 || number > 65_535)
      found.push(wrong([...at, "service", "port", "number"], number, "must be between 1 and 65535, inclusive"));
  } else found.push(required(at, "port name or number is required"));
  return found;
}
