import { qualifiedName } from "../qualified-name.ts";
import type { Filter, Middleware } from "../types.ts";

/**
 * The filters of a router's middlewares in their order, chains taken apart (pkg/server/middleware BuildChain); a string says why the router cannot be
 * built. A name without a provider is one of the router's own.
 */
export function buildChain(
  names: readonly string[],
  middlewares: Readonly<Record<string, Middleware>>,
  provider: string,
  outer: readonly string[] = [],
): Filter[] | string {
  const filters: Filter[] = [];
  for (const name of names) {
    const key = qualifiedName(name, provider);
    const found = Object.hasOwn(middlewares, key) ? middlewares[key] : undefined;
    if (found === undefined) return `middleware ${JSON.stringify(key)} does not exist`;
    if (outer.includes(key))
      return `could not instantiate middleware ${key}: recursion detected in ${[...outer, key].join("->")}`;
    if ("error" in found) return found.error;
    if ("filter" in found) {
      filters.push(found.filter);
      continue;
    }
    const inner = buildChain(found.chain, middlewares, provider, [...outer, key]);
    if (typeof inner === "string") return inner;
    filters.push(...inner);
  }
  return filters;
}
