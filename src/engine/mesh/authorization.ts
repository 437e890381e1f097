import { cidrContains, parseCidr, parseIp } from "../../core/ip.ts";
import {
  HEADER_KEY,
  type AuthorizationCondition,
  type AuthorizationOperation,
  type AuthorizationPolicy,
  type AuthorizationRule,
  type AuthorizationSource,
  type CONDITION_KEYS,
} from "../../kube/mesh/mesh-types.ts";
import { principalOf, type Identity } from "./identity.ts";
import type { Workload } from "./mesh-facts.ts";
import { isAbout } from "./mtls-mode.ts";

/** What a sidecar is asked to let in. */
export interface Access {
  /** Of the client's certificate; absent of a client without one. */
  identity?: Identity;
  sourceAddress: string;
  destinationAddress: string;
  /** Of the pod. */
  port: number;
  /** The name that the client's TLS asked for. */
  sni?: string;
  /** Absent of a connection that is not HTTP. */
  http?: {
    method: string;
    path: string;
    host: string;
    headers: Readonly<Record<string, string | string[] | undefined>>;
  };
}

export interface Decision {
  isAllowed: boolean;
  /** The policy that decided, `NAMESPACE/NAME`; absent where none is about the workload, or none allows. */
  policy?: string;
}

/**
 * Whether AuthorizationPolicies let it in: not where a DENY policy matches; else where there is no ALLOW policy for the workload or one of
 * them matches (istio.io/latest/docs/concepts/security, implicit enablement).
 */
export function authorize(policies: readonly AuthorizationPolicy[], workload: Workload, access: Access): Decision {
  const own = policies.filter(({ metadata, spec }) =>
    isAbout({ namespace: metadata.namespace ?? "default", selector: spec?.selector }, workload),
  );
  const ofAction = (action: "ALLOW" | "DENY"): AuthorizationPolicy[] =>
    own.filter(({ spec }) => (spec?.action ?? "ALLOW") === action);
  const matching = (action: "ALLOW" | "DENY"): AuthorizationPolicy | undefined =>
    ofAction(action).find(({ metadata, spec }) =>
      (spec?.rules ?? []).some((rule) => matchesRule(rule, action, access, metadata.namespace ?? "default")),
    );
  const denying = matching("DENY");
  if (denying !== undefined) return { isAllowed: false, policy: nameOf(denying) };
  if (ofAction("ALLOW").length === 0) return { isAllowed: true };
  const allowing = matching("ALLOW");
  return allowing === undefined ? { isAllowed: false } : { isAllowed: true, policy: nameOf(allowing) };
}

function nameOf({ metadata }: AuthorizationPolicy): string {
  return `${metadata.namespace ?? "default"}/${metadata.name}`;
}

/** One condition: what is listed of it, and whether a value listed is the access's. */
interface Test {
  isHttp?: true;
  values: readonly string[] | undefined;
  notValues: readonly string[] | undefined;
  isMet: (value: string) => boolean;
}

function matchesRule(rule: AuthorizationRule, action: "ALLOW" | "DENY", access: Access, namespace: string): boolean {
  const all = (tests: readonly Test[]): boolean => tests.every((test) => passes(test, action, access));
  const anyOf = (lists: readonly (readonly Test[])[] | undefined): boolean => lists === undefined || lists.some(all);
  return (
    anyOf(rule.from?.map(({ source = {} }) => sourceTests(source, access, namespace))) &&
    anyOf(rule.to?.map(({ operation = {} }) => operationTests(operation, access))) &&
    all((rule.when ?? []).map((condition) => conditionTest(condition, access, namespace)))
  );
}

/**
 * Of a connection that is not HTTP, what asks for HTTP is never met by an ALLOW rule and left out of a DENY rule, which then refuses more
 * (istio.io/latest/docs/tasks/security/authorization/authz-tcp).
 */
function passes({ isHttp, values, notValues, isMet }: Test, action: "ALLOW" | "DENY", { http }: Access): boolean {
  if (values === undefined && notValues === undefined) return true;
  if (isHttp === true && http === undefined) return action === "DENY";
  if (values !== undefined && !values.some(isMet)) return false;
  return notValues === undefined || !notValues.some(isMet);
}

function sourceTests(source: AuthorizationSource, access: Access, namespace: string): Test[] {
  const { identity, sourceAddress } = access;
  const principal = identity && principalOf(identity);
  return [
    { values: source.principals, notValues: source.notPrincipals, isMet: (value) => matchesText(value, principal) },
    {
      values: source.namespaces,
      notValues: source.notNamespaces,
      isMet: (value) => matchesText(value, identity?.namespace),
    },
    {
      values: source.serviceAccounts,
      notValues: source.notServiceAccounts,
      isMet: (value) => isAccount(value, identity, namespace),
    },
    { values: source.ipBlocks, notValues: source.notIpBlocks, isMet: (value) => isInBlock(value, sourceAddress) },
  ];
}

function operationTests(operation: AuthorizationOperation, { http, port }: Access): Test[] {
  return [
    {
      isHttp: true,
      values: operation.hosts,
      notValues: operation.notHosts,
      isMet: (value) => matchesText(value.toLowerCase(), http?.host.toLowerCase()),
    },
    { values: operation.ports, notValues: operation.notPorts, isMet: (value) => value === String(port) },
    {
      isHttp: true,
      values: operation.methods,
      notValues: operation.notMethods,
      isMet: (value) => matchesText(value, http?.method),
    },
    {
      isHttp: true,
      values: operation.paths,
      notValues: operation.notPaths,
      isMet: (value) => matchesText(value, http?.path),
    },
  ];
}

function conditionTest({ key, values, notValues }: AuthorizationCondition, access: Access, namespace: string): Test {
  const { identity, http } = access;
  const header = HEADER_KEY.exec(key)?.[1];
  const test = (isMet: (value: string) => boolean): Test => ({ values, notValues, isMet });
  if (header !== undefined) {
    const sent = http?.headers[header.toLowerCase()];
    const text = Array.isArray(sent) ? sent.join(",") : sent;
    return { ...test((value) => matchesText(value, text)), isHttp: true };
  }
  switch (key as (typeof CONDITION_KEYS)[number]) {
    case "source.ip":
      return test((value) => isInBlock(value, access.sourceAddress));
    case "source.namespace":
      return test((value) => matchesText(value, identity?.namespace));
    case "source.principal":
      return test((value) => matchesText(value, identity && principalOf(identity)));
    case "source.serviceAccount":
      return test((value) => isAccount(value, identity, namespace));
    case "destination.ip":
      return test((value) => isInBlock(value, access.destinationAddress));
    case "destination.port":
      return test((value) => value === String(access.port));
    case "connection.sni":
      return test((value) => matchesText(value, access.sni));
    // The API refuses others.
    default:
      return test(() => false);
  }
}

/** Exact, `prefix*`, `*suffix`, or `*` for anything that is there. */
function matchesText(pattern: string, text: string | undefined): boolean {
  if (text === undefined || text === "") return false;
  if (pattern === "*") return true;
  if (pattern.endsWith("*")) return text.startsWith(pattern.slice(0, -1));
  return pattern.startsWith("*") ? text.endsWith(pattern.slice(1)) : text === pattern;
}

/** `NAMESPACE/NAME`, or a name of the policy's namespace. */
function isAccount(value: string, identity: Identity | undefined, namespace: string): boolean {
  const full = value.includes("/") ? value : `${namespace}/${value}`;
  return identity !== undefined && full === `${identity.namespace}/${identity.serviceAccount}`;
}

function isInBlock(block: string, address: string): boolean {
  const ip = parseIp(address);
  if (ip === undefined) return false;
  const cidr = parseCidr(block);
  return cidr === undefined ? parseIp(block)?.value === ip.value : cidrContains(cidr, ip);
}
