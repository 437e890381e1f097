import { isRecord } from "../../../core/is-record.ts";
import { parseCidr, parseIp } from "../../../core/ip.ts";
import {
  TRAEFIK_GROUP,
  type Middleware as MiddlewareObject,
  type MiddlewareSpec,
} from "../../../kube/traefik-kinds/middleware-types.ts";
import { notModelled } from "../../../kube/traefik-kinds/traefik-kinds.ts";
import type { ObjectStore } from "../../store/store.ts";
import { regexOf } from "../go-regexp.ts";
import { CRD_PROVIDER, crdName } from "../qualified-name.ts";
import type { LogLine, Middleware, MiddlewareFilter } from "../types.ts";

/** The store's name of the kind, and so what {@link loadMiddlewares} is changed by. */
export const MIDDLEWARE_KIND = `Middleware.${TRAEFIK_GROUP}`;

/** Why a middleware cannot be built, in Traefik's words. */
class MiddlewareError extends Error {}

/** What Traefik makes of middlewares (pkg/provider/kubernetes/crd loadConfigurationFromCRD; pkg/server/middleware), by their names with the provider. */
export function loadMiddlewares(store: ObjectStore): { middlewares: Record<string, Middleware>; errors: LogLine[] } {
  const middlewares: Record<string, Middleware> = {};
  const errors: LogLine[] = [];
  for (const object of store.all({ kind: MIDDLEWARE_KIND }) as MiddlewareObject[]) {
    const { namespace = "default", name } = object.metadata;
    const id = crdName(namespace, name);
    const spec: MiddlewareSpec = isRecord(object.spec) ? object.spec : {};
    const chain = spec.chain && chainOf(spec.chain, namespace);
    if (typeof chain === "string") {
      const fields = { middlewareName: id.replace(/@.*$/, ""), providerName: CRD_PROVIDER };
      errors.push({ message: "Error while reading chain middleware", error: chain, fields });
      continue;
    }
    middlewares[id] = middlewareOf(spec, id, chain);
  }
  return { middlewares, errors };
}

/** The names of what a chain has, or why it is none: its middlewares are of its own namespace. */
function chainOf({ middlewares = [] }: NonNullable<MiddlewareSpec["chain"]>, namespace: string): string[] | string {
  const names: string[] = [];
  for (const { name, namespace: other = "" } of middlewares) {
    if (name.includes("@")) {
      names.push(name);
      continue;
    }
    if (other !== "" && other !== namespace)
      return `middleware ${other}/${name} is not in the chain namespace ${namespace}`;
    names.push(crdName(namespace, name));
  }
  return names;
}

function middlewareOf(spec: MiddlewareSpec, name: string, chain: string[] | undefined): Middleware {
  const [missing] = notModelled(spec as Record<string, unknown>);
  if (missing !== undefined)
    return { error: `${missing} of middleware ${JSON.stringify(name)} is not modelled by cnilab` };
  const types = Object.keys(spec);
  if (types.length > 1)
    return {
      error:
        "cannot create middleware: multi-types middleware not supported, consider declaring two different pieces of middleware instead",
    };
  if (chain !== undefined) return { chain };
  try {
    const filter = filterOf(spec);
    if (filter !== undefined) return { filter };
  } catch (error) {
    if (!(error instanceof MiddlewareError)) throw error;
    return { error: error.message };
  }
  const why = "invalid middleware type or middleware does not exist";
  return { error: `invalid middleware ${JSON.stringify(name)} configuration: ${why}` };
}

function filterOf(spec: MiddlewareSpec): MiddlewareFilter | undefined {
  const { addPrefix, stripPrefix, stripPrefixRegex, replacePath, replacePathRegex, headers, ipAllowList } = spec;
  if (addPrefix !== undefined) {
    const { prefix = "" } = addPrefix;
    if (prefix === "") throw new MiddlewareError("prefix cannot be empty");
    return { kind: "add-prefix", prefix };
  }
  if (stripPrefix !== undefined)
    return { kind: "strip-prefix", prefixes: stripPrefix.prefixes ?? [], forceSlash: stripPrefix.forceSlash ?? false };
  if (stripPrefixRegex !== undefined)
    return { kind: "strip-prefix-regex", regexes: (stripPrefixRegex.regex ?? []).map((each) => checked(each.trim())) };
  if (replacePath !== undefined) return { kind: "replace-path", path: replacePath.path ?? "" };
  if (replacePathRegex !== undefined) {
    const { regex = "", replacement = "" } = replacePathRegex;
    return {
      kind: "replace-path-regex",
      regex: checked(regex.trim(), `error compiling regular expression ${regex}: `),
      replacement: replacement.trim(),
    };
  }
  if (headers !== undefined) {
    const { customRequestHeaders = {}, customResponseHeaders = {} } = headers;
    if (Object.keys(customRequestHeaders).length + Object.keys(customResponseHeaders).length === 0)
      throw new MiddlewareError("headers configuration not valid");
    const [request, response] = [customRequestHeaders, customResponseHeaders].map((each) => Object.entries(each));
    return { kind: "custom-headers", request: request ?? [], response: response ?? [] };
  }
  if (ipAllowList !== undefined) return allowedAddresses(ipAllowList);
  return redirectOf(spec);
}

function redirectOf({ redirectScheme, redirectRegex }: MiddlewareSpec): MiddlewareFilter | undefined {
  if (redirectScheme !== undefined) {
    const { scheme = "", port = "", permanent: isPermanent = false } = redirectScheme;
    if (scheme === "") throw new MiddlewareError("you must provide a target scheme");
    return { kind: "redirect-scheme", scheme, port, isPermanent };
  }
  if (redirectRegex === undefined) return undefined;
  const { regex = "", replacement = "", permanent: isPermanent = false } = redirectRegex;
  return { kind: "redirect-regex", regex: checked(regex), replacement, isPermanent };
}

function allowedAddresses({
  sourceRange: ranges = [],
  rejectStatusCode: status = 403,
}: NonNullable<MiddlewareSpec["ipAllowList"]>): MiddlewareFilter {
  if (ranges.length === 0) throw new MiddlewareError("sourceRange is empty, IPAllowLister not created");
  const wrong = ranges.find((range) => parseIp(range) === undefined && parseCidr(range) === undefined);
  if (wrong !== undefined)
    throw new MiddlewareError(
      `cannot parse CIDRs ${ranges.join(" ")}: parsing CIDR trusted IPs <nil>: invalid CIDR address: ${wrong}`,
    );
  return { kind: "allow-addresses", ranges: [...ranges], status };
}

function checked(regex: string, before = ""): string {
  if (regexOf(regex) === undefined) throw new MiddlewareError(`${before}error parsing regexp: ${regex}`);
  return regex;
}
