import type { IngressPath, IngressRule } from "../../kube/ingress.ts";
import { canonicalName, type Headers } from "./forwarded-headers.ts";
import type { RequestRule, RouterRule, ValueRule } from "./types.ts";

/** Rules of the path matchers that Traefik has for Ingresses; `router.pathmatcher` may name others, which have more or other arguments. */
const MATCHERS = ["Path", "PathPrefix", "PathRegexp"] as const;
type Matcher = (typeof MATCHERS)[number];

/**
 * The rule that Traefik makes of a host and a path of an Ingress (pkg/provider/kubernetes/ingress loadRouter). A path of type Prefix is
 * compared character by character, and only a path of no type or ImplementationSpecific has the matcher of the annotation.
 * A string instead says why its router cannot be made.
 */
export function routerRule(
  { host = "" }: IngressRule,
  { path = "", pathType }: IngressPath,
  pathMatcher: string,
): RouterRule | string {
  const parts: string[] = [];
  const rule: RouterRule = { text: "" };
  if (host !== "") {
    parts.push(hostRule(host));
    rule.host = host.toLowerCase();
  }
  if (path !== "") {
    const isFree = pathType === undefined || pathType === "ImplementationSpecific";
    const matcher = isFree ? pathMatcher : pathType === "Exact" ? "Path" : "PathPrefix";
    parts.push(`${matcher}(\`${path}\`)`);
    if (!isMatcher(matcher)) return `error while parsing rule ${parts.join(" && ")}: unsupported function: ${matcher}`;
    if (path.includes("`")) return `error while parsing rule ${parts.join(" && ")}`;
    rule.path = { matcher, value: path };
    if (matcher === "PathRegexp" && regexOf(path) === undefined)
      return `error while adding rule PathRegexp: compiling PathPrefix matcher: error parsing regexp: ${path}`;
  }
  if (parts.length === 0) return "error while parsing rule : 1:1: expected operand, found 'EOF'";
  return { ...rule, text: parts.join(" && ") };
}

/** A wildcard is one label; its rule is longer than that of a whole name, and comes before it. */
function hostRule(host: string): string {
  if (!host.startsWith("*.")) return `Host(\`${host}\`)`;
  const rest = host.slice(2).replaceAll(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`);
  return `HostRegexp(\`^[a-zA-Z0-9-]+\\.${rest}$\`)`;
}

function isMatcher(name: string): name is Matcher {
  return (MATCHERS as readonly string[]).includes(name);
}

/** Of a regular expression of Go's (RE2), which this engine's includes but for a few words. */
export function regexOf(text: string): RegExp | undefined {
  try {
    return new RegExp(text, "u");
  } catch {
    return undefined;
  }
}

/** What rules of the Gateway API ask beside host and path. */
export interface AskedRequest {
  method: string;
  headers: Headers;
  query: URLSearchParams;
}

/** Whether a request is one of the rule's: host without its port, in lower case, and the path as {@link routingPath} has it. */
export type Matches = (host: string, path: string, request?: () => AskedRequest) => boolean;

export function matcherOf({ host, path, request }: RouterRule): Matches {
  if (request !== undefined) return requestMatcher(request);
  const hostMatches = hostMatcher(host);
  const pathMatches = pathMatcherOf(path);
  return (askedHost, askedPath) => hostMatches(askedHost) && pathMatches(askedPath);
}

/** A match of an HTTPRoute; without a request there is no header, no parameter and no method. */
function requestMatcher({ hosts, path, method, headers, queries }: RequestRule): Matches {
  const matchHosts = hosts.map((host) => (host.startsWith("*.") ? domainMatcher(host.slice(1)) : hostMatcher(host)));
  const matchPath = requestPathMatcher(path);
  const values = [
    ...headers.map((rule) => valueMatcher(rule, ({ headers: asked }) => asked.get(canonicalName(rule.name)) ?? [])),
    ...queries.map((rule) => valueMatcher(rule, ({ query }) => query.getAll(rule.name))),
  ];
  return (askedHost, askedPath, request) => {
    if (matchHosts.length > 0 && !matchHosts.some((matches) => matches(askedHost))) return false;
    if (!matchPath(askedPath)) return false;
    if (method === undefined && values.length === 0) return true;
    const asked = request?.();
    if (asked === undefined) return false;
    return (method === undefined || asked.method === method) && values.every((matches) => matches(asked));
  };
}

/** Names of any depth below a domain, which is given with its dot. */
function domainMatcher(end: string): (asked: string) => boolean {
  return (asked) => asked.endsWith(end) && /^[a-z0-9.-]+$/.test(asked.slice(0, -end.length));
}

function requestPathMatcher({ matcher, value }: RequestRule["path"]): (asked: string) => boolean {
  if (matcher === "exact") return (asked) => asked === value;
  if (matcher === "element") return (asked) => asked === value || asked.startsWith(`${value}/`);
  const regex = regexOf(value);
  return (asked) => regex?.test(asked) ?? false;
}

function valueMatcher(
  { value, isRegexp }: ValueRule,
  valuesOf: (asked: AskedRequest) => readonly string[],
): (asked: AskedRequest) => boolean {
  const regex = isRegexp ? regexOf(value) : undefined;
  return (asked) => valuesOf(asked).some((each) => (isRegexp ? (regex?.test(each) ?? false) : each === value));
}

function hostMatcher(host: string | undefined): (asked: string) => boolean {
  if (host === undefined) return () => true;
  if (host.startsWith("*.")) {
    const end = host.slice(1);
    // The regular expression has no capitals to fold but its own label's.
    return (asked) => asked.endsWith(end) && /^[a-zA-Z0-9-]+$/.test(asked.slice(0, -end.length));
  }
  return (asked) => asked === host || (asked.endsWith(".") && asked.slice(0, -1) === host);
}

function pathMatcherOf(path: RouterRule["path"]): (asked: string) => boolean {
  if (path === undefined) return () => true;
  const { matcher, value } = path;
  if (matcher === "Path") return (asked) => asked === value;
  if (matcher === "PathPrefix") return (asked) => asked.startsWith(value);
  const regex = regexOf(value);
  return (asked) => regex?.test(asked) ?? false;
}

/** net/http's Host without its port (pkg/middlewares/requestdecorator). */
export function canonicalHost(header: string): string {
  const text = header.trim().toLowerCase();
  if (!text.includes(":")) return text;
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(text);
  if (bracketed !== null) return bracketed[1] ?? "";
  const mark = text.lastIndexOf(":");
  return text.indexOf(":") === mark ? text.slice(0, mark) : text;
}
