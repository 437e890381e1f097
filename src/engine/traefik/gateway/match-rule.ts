import type { PathMatch, RouteMatch, ValueMatch } from "../../../kube/gateway/gateway-types.ts";
import { regexOf } from "../rule.ts";
import type { RequestRule, RouterRule, ValueRule } from "../types.ts";

export interface MatchRule {
  rule: RouterRule;
  /** More than one of 10000 is a path's, of 1000 the method's, of 100 a header's, of 10 a parameter's; the longest host is added. */
  priority: number;
  /** Why no router can be made of it. */
  error?: string;
}

interface Part {
  texts: string[];
  priority: number;
}

/** The rule and the priority that Traefik makes of one match of an HTTPRoute (pkg/provider/kubernetes/gateway buildMatchRule). */
export function matchRule(hostnames: readonly string[], match: RouteMatch): MatchRule {
  const path = pathPart(match.path ?? {});
  const { method } = match;
  const headers = valuePart(match.headers ?? [], "Header", 100);
  const queries = valuePart(match.queryParams ?? [], "Query", 10);
  const parts: Part[] = [
    path,
    ...(method === undefined ? [] : [{ texts: [`Method(\`${method}\`)`], priority: 1000 }]),
    headers,
    queries,
  ];
  const host = hostText(hostnames);
  const text = [...(host === "" ? [] : [host]), ...parts.flatMap(({ texts }) => texts)].join(" && ");
  const longest = Math.max(0, ...hostnames.map(({ length }) => length));
  const request: RequestRule = {
    hosts: hostnames.map((name) => name.toLowerCase()),
    path: path.asked,
    ...(method === undefined ? {} : { method }),
    headers: headers.asked,
    queries: queries.asked,
  };
  const error = faultOf(text, request);
  return {
    rule: { text, request },
    priority: parts.reduce((sum, part) => sum + part.priority, longest),
    ...(error === undefined ? {} : { error }),
  };
}

function hostText(hostnames: readonly string[]): string {
  const texts = hostnames.map((name) => {
    if (!name.includes("*")) return `Host(\`${name}\`)`;
    const quoted = name.replaceAll(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`);
    return `HostRegexp(\`^${quoted.replace(String.raw`\*\.`, String.raw`[a-z0-9-\.]+\.`)}$\`)`;
  });
  return texts.length > 1 ? `(${texts.join(" || ")})` : (texts[0] ?? "");
}

function pathPart({ type = "PathPrefix", value = "/" }: PathMatch): Part & { asked: RequestRule["path"] } {
  if (type === "Exact") return { texts: [`Path(\`${value}\`)`], priority: 100_000, asked: { matcher: "exact", value } };
  const priority = 10_000 + value.length * 100;
  if (type === "RegularExpression")
    return { texts: [`PathRegexp(\`${value}\`)`], priority, asked: { matcher: "regexp", value } };
  if (value === "/") return { texts: ["PathPrefix(`/`)"], priority: 1, asked: { matcher: "element", value: "" } };
  const element = value.replace(/\/$/, "");
  return {
    texts: [`(Path(\`${element}\`) || PathPrefix(\`${element}/\`))`],
    priority,
    asked: { matcher: "element", value: element },
  };
}

function valuePart(
  matches: readonly ValueMatch[],
  matcher: "Header" | "Query",
  each: number,
): Part & { asked: ValueRule[] } {
  const asked = matches.map(({ name, value, type = "Exact" }) => ({
    name,
    value,
    isRegexp: type === "RegularExpression",
  }));
  const texts = asked.map(
    ({ name, value, isRegexp }) => `${matcher}${isRegexp ? "Regexp" : ""}(\`${name}\`,\`${value}\`)`,
  );
  return { texts, priority: asked.length * each, asked };
}

/** Texts stand between backquotes, and what no expression can be read from has no router. */
function faultOf(text: string, { path, headers, queries }: RequestRule): string | undefined {
  const values = [path.value, ...[...headers, ...queries].flatMap(({ name, value }) => [name, value])];
  if (values.some((value) => value.includes("`"))) return `error while parsing rule ${text}`;
  const broken = (matcher: string, value: string): string =>
    `error while adding rule ${matcher}: compiling ${matcher.replace("PathRegexp", "PathPrefix")} matcher: error parsing regexp: ${value}`;
  if (path.matcher === "regexp" && regexOf(path.value) === undefined) return broken("PathRegexp", path.value);
  for (const [matcher, rules] of [
    ["HeaderRegexp", headers],
    ["QueryRegexp", queries],
  ] as const)
    for (const { value, isRegexp } of rules)
      if (isRegexp && regexOf(value) === undefined) return broken(matcher, value);
  return undefined;
}
