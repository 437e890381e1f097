import { createHash } from "node:crypto";
import {
  GATEWAY_CONTROLLER,
  GATEWAY_GROUP,
  type HttpRoute,
  type ParentRef,
  type RouteParentStatus,
  type RouteRule,
} from "../../../kube/gateway/gateway-types.ts";
import type { ObjectStore } from "../../store/store.ts";
import { normalize } from "../normalize.ts";
import type { GatewayConfiguration, LogLine, Router, WeightedService } from "../types.ts";
import { loadBackend } from "./backends.ts";
import { told, type Told } from "./conditions.ts";
import { commonHostnames } from "./hostnames.ts";
import type { LoadedListener } from "./listeners.ts";
import { matchRule } from "./match-rule.ts";
import { FilterError, routeFilters } from "./route-filters.ts";

/** What Traefik says of one parent of a route. */
export type ParentStatus = Omit<RouteParentStatus, "conditions"> & { conditions: Told[] };

const PROVIDER = "kubernetesgateway";

/** The parts of a configuration that a route adds to. */
export interface RouteParts extends Pick<GatewayConfiguration, "services" | "weighted"> {
  /** By name: of two with one name the later counts. */
  routers: Map<string, Router>;
}

/**
 * Reads one HTTPRoute (loadHTTPRoutes): its routers go into `into`, listeners count it, and what is said of its parents is given back; undefined where it
 * names no Gateway of Traefik's, and nothing is said.
 */
export function loadRoute(
  store: ObjectStore,
  route: HttpRoute,
  listeners: readonly LoadedListener[],
  { into, tell }: { into: RouteParts; tell(line: LogLine): void },
): ParentStatus[] | undefined {
  const { namespace = "default", generation } = route.metadata;
  const { parentRefs = [], hostnames = [] } = route.spec;
  // As there: a listener is found once for each reference to its Gateway.
  const found = listeners.flatMap((listener) =>
    parentRefs.filter((ref) => isParent(listener, ref, namespace)).map(() => listener),
  );
  if (found.length === 0) return undefined;
  return parentRefs.map((parentRef) => {
    let accepted = told("Accepted", false, "NoMatchingParent", { generation });
    let resolved: Told | undefined;
    const reject = (reason: string): void => {
      if (accepted.status !== "True") accepted = { ...accepted, reason };
    };
    for (const listener of found) {
      let isAccepted = isMeant(listener, parentRef);
      if (isAccepted && !isAllowed(listener, namespace)) {
        reject("NotAllowedByListeners");
        isAccepted = false;
      }
      const common = commonHostnames(listener.hostname, hostnames);
      if (isAccepted && common === undefined) {
        reject("NoMatchingListenerHostname");
        isAccepted = false;
      }
      if (isAccepted) {
        listener.attachedRoutes += 1;
        if (listener.isAttached) accepted = { ...accepted, status: "True", reason: "Accepted" };
      }
      const own: RouteParts = { routers: new Map(), services: {}, weighted: {} };
      const condition = loadRules({ store, route, listener, hostnames: common ?? [], parts: own, tell });
      if (isAccepted && listener.isAttached) {
        for (const [name, router] of own.routers) into.routers.set(name, router);
        Object.assign(into.services, own.services);
        Object.assign(into.weighted, own.weighted);
      }
      // What one listener could not resolve stays said.
      if (resolved?.status !== "False" || condition.status === "False") resolved = condition;
    }
    const conditions = resolved === undefined ? [accepted] : [accepted, resolved];
    return { parentRef, controllerName: GATEWAY_CONTROLLER, conditions };
  });
}

function isParent({ gateway }: LoadedListener, ref: ParentRef, routeNamespace: string): boolean {
  const { group = GATEWAY_GROUP, kind = "Gateway", namespace = routeNamespace, name } = ref;
  return group === GATEWAY_GROUP && kind === "Gateway" && namespace === gateway.namespace && name === gateway.name;
}

function isMeant(listener: LoadedListener, { sectionName = "", port }: ParentRef): boolean {
  return (sectionName === "" || sectionName === listener.name) && (port === undefined || port === listener.port);
}

function isAllowed({ kinds, namespaces }: LoadedListener, routeNamespace: string): boolean {
  return kinds.some(({ kind }) => kind === "HTTPRoute") && (namespaces?.includes(routeNamespace) ?? true);
}

interface RulesOf {
  store: ObjectStore;
  route: HttpRoute;
  listener: LoadedListener;
  hostnames: readonly string[];
  parts: RouteParts;
  tell(line: LogLine): void;
}

/** The routers of a route at one listener (loadHTTPRoute), and its condition ResolvedRefs. */
function loadRules({ store, route, listener, hostnames, parts, tell }: RulesOf): Told {
  const { namespace = "default", name, generation } = route.metadata;
  const fields = { http_route: name, namespace, providerName: PROVIDER };
  const { entryPoint = "", gateway, protocol } = listener;
  const { rules = [{}] } = route.spec;
  let condition = told("ResolvedRefs", true, "ResolvedRefs", { generation });
  for (const [index, rule] of rules.entries()) {
    const key = normalize(
      `httproute-${namespace}-${name}-gw-${gateway.namespace}-${gateway.name}-ep-${entryPoint}-${index}`,
    );
    for (const match of rule.matches ?? [{}]) {
      const made = matchRule(hostnames, match);
      const routerName = `${key}-${createHash("sha256").update(made.rule.text).digest("hex").slice(0, 20)}`;
      const router: Router = {
        name: `${routerName}@${PROVIDER}`,
        rule: made.rule,
        priority: made.priority + rules.length - index,
        entryPoints: [entryPoint],
        middlewares: [],
        isTls: protocol === "HTTPS",
        service: `${routerName}-wrr`,
      };
      try {
        const filters = routeFilters(rule.filters ?? [], match.path);
        if (filters.length > 0) router.filters = filters;
        const resolved = weighBackends(store, { rule, namespace, name: router.service, parts });
        for (const { message } of resolved) tell({ message: `Unable to load HTTPRoute backend: ${message}`, fields });
        const last = resolved.at(-1);
        if (last !== undefined)
          condition = told("ResolvedRefs", false, last.reason, { message: last.message, generation });
      } catch (error) {
        if (!(error instanceof FilterError)) throw error;
        tell({ message: "Unable to load HTTPRoute filters", error: error.message, fields });
        router.service = `${routerName}-err-wrr`;
        parts.weighted[router.service] = [{ status: 500, weight: 1 }];
      }
      if (made.error === undefined) parts.routers.set(routerName, router);
      else tell({ message: "", error: made.error, fields: { entryPointName: entryPoint, routerName: router.name } });
    }
  }
  return condition;
}

/** What a rule's backends share its requests by (loadWRRService); gives back what could not be resolved, whose share is answered with 500. */
function weighBackends(
  store: ObjectStore,
  { rule, namespace, name, parts }: { rule: RouteRule; namespace: string; name: string; parts: RouteParts },
): { reason: string; message: string }[] {
  // Another match with the same text.
  if (Object.hasOwn(parts.weighted, name)) return [];
  const faults: { reason: string; message: string }[] = [];
  parts.weighted[name] = (rule.backendRefs ?? []).map((ref): WeightedService => {
    const { weight = 1 } = ref;
    const backend = loadBackend(store, namespace, ref);
    if ("reason" in backend) {
      faults.push(backend);
      return { status: 500, weight };
    }
    parts.services[backend.name] = backend.service;
    return { service: backend.name, weight };
  });
  return faults;
}
