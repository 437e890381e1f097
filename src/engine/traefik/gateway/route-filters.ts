import type { HeaderFilter, PathMatch, PathModifier, RouteFilter } from "../../../kube/gateway/gateway-types.ts";
import { TRAEFIK_GROUP } from "../../../kube/traefik-kinds/middleware-types.ts";
import { crdName } from "../qualified-name.ts";
import type { GatewayFilter, HeaderChange, NamedFilter, PathChange } from "../types.ts";

/** Why filters are none that Traefik has, in its words; every request of their rule is answered with 500. */
export class FilterError extends Error {}

/** What Traefik makes of the filters of a rule, for one of its matches (loadMiddlewares); middlewares are of the route's namespace. Throws FilterError. */
export function routeFilters(
  filters: readonly RouteFilter[],
  { namespace, path = {} }: { namespace: string; path?: PathMatch | undefined },
): (GatewayFilter | NamedFilter)[] {
  return filters.map((filter) => routeFilter(filter, namespace, path));
}

function routeFilter(filter: RouteFilter, namespace: string, path: PathMatch): GatewayFilter | NamedFilter {
  const { type, requestHeaderModifier, responseHeaderModifier, requestRedirect, urlRewrite, extensionRef } = filter;
  switch (type) {
    case "RequestHeaderModifier":
      return { kind: "request-headers", change: headerChange(requestHeaderModifier) };
    case "ResponseHeaderModifier":
      return { kind: "response-headers", change: headerChange(responseHeaderModifier) };
    case "RequestRedirect":
      return redirect(requestRedirect ?? {}, path);
    case "URLRewrite": {
      if (urlRewrite?.path === undefined && urlRewrite?.hostname === undefined)
        throw new FilterError("invalid filter URLRewrite: empty configuration");
      const { hostname } = urlRewrite;
      return { kind: "rewrite", ...(hostname === undefined ? {} : { hostname }), ...pathChange(urlRewrite.path, path) };
    }
    case "ExtensionRef": {
      const { group = "", kind = "", name = "" } = extensionRef ?? {};
      if (group === TRAEFIK_GROUP && kind === "Middleware")
        return { kind: "middleware", name: crdName(namespace, name) };
      const why = `unsupported filter extension ref ${group}/${kind}/${name}`;
      throw new FilterError(`loading ExtensionRef filter ExtensionRef: ${why}`);
    }
    default:
      throw new FilterError(`unsupported filter ${type}`);
  }
}

function headerChange({ set = [], add = [], remove = [] }: HeaderFilter = {}): HeaderChange {
  const pairs = (list: readonly { name: string; value: string }[]): [string, string][] =>
    list.map(({ name, value }) => [name, value]);
  return { set: pairs(set), add: pairs(add), remove: [...remove] };
}

/** With a scheme the port is that scheme's own, unless it is said; otherwise the one that the client asked. */
function redirect(
  { scheme, hostname, port, path, statusCode = 302 }: NonNullable<RouteFilter["requestRedirect"]>,
  match: PathMatch,
): GatewayFilter {
  const own = scheme === undefined ? undefined : "";
  const wanted = port === undefined ? own : String(port);
  return {
    kind: "redirect",
    status: statusCode,
    ...(scheme === undefined ? {} : { scheme }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(wanted === undefined ? {} : { port: wanted }),
    ...pathChange(path, match),
  };
}

function pathChange(modifier: PathModifier | undefined, { value = "/" }: PathMatch): { path?: PathChange } {
  if (modifier === undefined) return {};
  if (modifier.type === "ReplaceFullPath") return { path: { path: modifier.replaceFullPath ?? "" } };
  return { path: { path: modifier.replacePrefixMatch ?? "", prefix: value } };
}
