import { LabError } from "../core/errors.ts";
import { isIp } from "../core/ip.ts";
import { didYouMean } from "../core/suggest.ts";
import { dnsLabelProblem, dnsSubdomainProblem } from "../kube/names.ts";
import type { EndpointRef } from "../plan/types.ts";

const WORKLOADS = ["deployment", "replicaset", "statefulset", "daemonset"] as const;
type Workload = (typeof WORKLOADS)[number];

/** Words that may stand between namespace and name, kubectl's short names included. */
const KIND_WORDS: Readonly<Record<string, Workload | "pod" | "service">> = {
  pod: "pod",
  po: "pod",
  service: "service",
  svc: "service",
  deployment: "deployment",
  deploy: "deployment",
  replicaset: "replicaset",
  rs: "replicaset",
  statefulset: "statefulset",
  sts: "statefulset",
  daemonset: "daemonset",
  ds: "daemonset",
};

const FORMS =
  "write NAMESPACE/POD, NAMESPACE/deployment/NAME, NAMESPACE/service/NAME, node/NAME, external, an IP address or a host name";

/**
 * Reads who sends or receives: `ns/name` or `ns/pod/name`, `ns/deployment/name` (replicaset, statefulset, daemonset),
 * `ns/service/name`, `node/NAME`, `external`, an IP literal, or a host name. A node therefore cannot be shadowed by a
 * namespace called "node". Throws LAB_BAD_REF.
 */
export function parseEndpointRef(text: string): EndpointRef {
  if (text === "external") return { kind: "external" };
  if (isIp(text)) return { kind: "address", address: text };
  const parts = text.split("/");
  if (parts.length === 1) return parseHost(text);
  if (parts[0] === "node" && parts.length === 2) {
    return { kind: "node", name: checkName(text, "node name", parts[1] as string, dnsSubdomainProblem) };
  }
  const namespace = checkName(text, "namespace", parts[0] as string, dnsLabelProblem);
  if (parts.length === 2) {
    return { kind: "pod", namespace, name: checkName(text, "pod name", parts[1] as string, dnsSubdomainProblem) };
  }
  if (parts.length > 3) throw badRef(text, "has more than three parts", FORMS);
  const word = (parts[1] as string).toLowerCase();
  const kind = Object.hasOwn(KIND_WORDS, word) ? KIND_WORDS[word] : undefined;
  if (kind === undefined) {
    throw badRef(
      text,
      `has unknown kind ${quote(parts[1] as string)}`,
      didYouMean(word, ["pod", "service", ...WORKLOADS]),
    );
  }
  const name = checkName(text, `${kind} name`, parts[2] as string, dnsSubdomainProblem);
  if (kind === "pod" || kind === "service") return { kind, namespace, name };
  return { kind: "workload", namespace, workload: kind, name };
}

/** The canonical text of a reference; {@link parseEndpointRef} reads it back. */
export function formatEndpointRef(ref: EndpointRef): string {
  switch (ref.kind) {
    case "pod":
      return `${ref.namespace}/${ref.name}`;
    case "workload":
      return `${ref.namespace}/${ref.workload}/${ref.name}`;
    case "service":
      return `${ref.namespace}/service/${ref.name}`;
    case "node":
      return `node/${ref.name}`;
    case "external":
      return "external";
    case "address":
      return ref.address;
    case "host":
      return ref.host;
  }
}

/** A pod selector of a matrix, `NAMESPACE/NAME`, each with `*` for any run of characters. */
export interface PodPattern {
  namespace: string;
  name: string;
}

/** Reads `shop/*`, `shop/web-*`, or `*` + `/*` for all pods. Throws LAB_BAD_REF. */
export function parsePodPattern(text: string): PodPattern {
  const parts = text.split("/");
  const [namespace, name] = parts;
  const isPart = (part: string | undefined): part is string => part !== undefined && /^[a-z0-9.*-]{1,253}$/.test(part);
  if (parts.length !== 2 || !isPart(namespace) || !isPart(name)) {
    throw new LabError("LAB_BAD_REF", `${quote(text)} is no pod pattern`, {
      hint: "write NAMESPACE/NAME with * for any characters, for example shop/* or shop/web-*",
    });
  }
  return { namespace, name };
}

/** Whether a pod is among those that a pattern (text or parsed) selects. */
export function matchPodPattern(pattern: PodPattern | string, pod: { namespace: string; name: string }): boolean {
  const { namespace, name } = typeof pattern === "string" ? parsePodPattern(pattern) : pattern;
  return matchGlob(namespace, pod.namespace) && matchGlob(name, pod.name);
}

/** Greedy glob with one kind of wildcard; linear backtracking to the last star only, so no pattern is slow. */
function matchGlob(glob: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let index = 0;
  while (index < text.length) {
    if (glob[at] === "*") {
      star = at++;
      resume = index;
    } else if (glob[at] === text[index]) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++resume;
    } else return false;
  }
  while (glob[at] === "*") at++;
  return at === glob.length;
}

function parseHost(text: string): EndpointRef {
  if (Object.hasOwn(KIND_WORDS, text) || text === "node") throw badRef(text, "names a kind but no object", FORMS);
  const host = text.endsWith(".") ? text.slice(0, -1) : text;
  const isName =
    host.length <= 253 &&
    host.split(".").every((part) => /^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?$/.test(part));
  if (!isName) throw badRef(text, "is neither a reference, an IP address nor a host name", FORMS);
  // Four numbers that are no address are a mistyped address, not a name that could ever resolve.
  if (/^[\d.]+$/.test(host)) throw badRef(text, "is no IP address", FORMS);
  return { kind: "host", host: text };
}

function checkName(text: string, what: string, name: string, problemOf: (name: string) => string | undefined): string {
  const problem = problemOf(name);
  if (problem !== undefined) throw badRef(text, `has a bad ${what}: it ${problem}`, FORMS);
  return name;
}

function badRef(text: string, why: string, hint: string | undefined): LabError {
  return new LabError("LAB_BAD_REF", `reference ${quote(text)} ${why}`, { hint });
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
