import { parseDurationMs } from "../../core/duration.ts";
import type {
  Destination,
  Fault,
  HeaderOperations,
  HttpMatch,
  HttpRoute,
  Retries,
} from "../../kube/mesh/mesh-types.ts";
import type { Random } from "../seeded-random.ts";
import { isHit, weightedChoice } from "./choose.ts";
import { clusterOf, type Cluster } from "./destination-rule.ts";
import { fullHost, namesOf, serviceHost } from "./host-names.ts";
import type { MeshEndpoint, MeshFacts, MeshPort, MeshService, Workload } from "./mesh-facts.ts";
import { httpRouteFor, virtualServiceFor, type RoutedRequest } from "./virtual-service.ts";

/** When a request is sent again, and how often (istio.io … virtual-service, HTTPRetry). */
export interface RetryPlan {
  attempts: number;
  perTryTimeoutMs?: number;
  on: readonly string[];
}

/** How a request goes on. */
export interface ForwardPlan {
  kind: "forward";
  cluster: Cluster;
  /** Path and query. */
  target: string;
  /** A Host header other than the client's. */
  authority?: string;
  headers: HeaderOperations[];
  timeoutMs?: number;
  retries: RetryPlan;
  delayMs?: number;
}

/** What the sidecar answers itself; `flag` is Envoy's word for why (response flags of access logs). */
export interface ReplyPlan {
  kind: "reply";
  status: number;
  body: string;
  headers?: Record<string, string>;
  flag: string;
  delayMs?: number;
}

export type RequestPlan = ForwardPlan | ReplyPlan;

/** What Istio does without `retries`: never for an answer that came. */
const DEFAULT_RETRIES: RetryPlan = {
  attempts: 2,
  on: ["connect-failure", "refused-stream", "unavailable", "cancelled"],
};

export interface Outgoing {
  facts: MeshFacts;
  /** Who asks: its labels may count, its namespace does. */
  client: Workload | undefined;
  clientNamespace: string;
  /** Where the connection was going. */
  original: MeshEndpoint;
  random: Random;
}

/** What becomes of a request that leaves a meshed pod. The host that it asks for decides, not where its connection goes. */
export function planRequest(outgoing: Outgoing, request: RoutedRequest, target: string): RequestPlan {
  const { facts, client, clientNamespace, original } = outgoing;
  const host = hostName(request.authority);
  const service = serviceNamed(facts, host, request.port, clientNamespace);
  const name = service === undefined ? host : serviceHost(service, facts.domain);
  const virtual = virtualServiceFor(facts, name);
  if (virtual?.spec.http !== undefined) {
    const found = httpRouteFor(virtual, request, client);
    if (found === undefined) return { kind: "reply", status: 404, body: "", flag: "NR" };
    const namespace = virtual.metadata.namespace ?? "default";
    return planRoute(found.route, found.match, namespace, outgoing, request, target);
  }
  const port = service?.ports.find((each) => each.port === request.port);
  const cluster =
    service === undefined || port === undefined
      ? passthrough(original)
      : pinned(clusterOf(facts, { service, port }, clientNamespace), service, original);
  return forwarded(cluster, { target, headers: [], retries: DEFAULT_RETRIES });
}

function planRoute(
  route: HttpRoute,
  match: HttpMatch | undefined,
  namespace: string,
  outgoing: Outgoing,
  request: RoutedRequest,
  target: string,
): RequestPlan {
  const { facts, clientNamespace, random } = outgoing;
  const { redirect, directResponse } = route;
  if (redirect !== undefined) return redirection(redirect, request, target);
  if (directResponse !== undefined)
    return { kind: "reply", status: directResponse.status, body: directResponse.body?.string ?? "", flag: "-" };
  const fault = faultOf(route.fault, random);
  if (fault.reply !== undefined) return { ...fault.reply, ...fault.delay };
  const choice = weightedChoice(route.route ?? [], random);
  const cluster = choice && destinationCluster(facts, choice.destination, namespace, request.port, clientNamespace);
  const timeoutMs = durationOf(route.timeout);
  return {
    ...forwarded(cluster, {
      target: rewritten(target, route.rewrite?.uri, match),
      ...(route.rewrite?.authority !== undefined && { authority: route.rewrite.authority }),
      headers: [choice?.headers, route.headers].filter((each) => each !== undefined),
      ...(timeoutMs !== undefined && timeoutMs > 0 && { timeoutMs }),
      retries: retriesOf(route.retries),
    }),
    ...fault.delay,
  };
}

/** A cluster that is not there, or has nobody in it, is a 503 of the sidecar's own. */
function forwarded(cluster: Cluster | undefined, plan: Omit<ForwardPlan, "kind" | "cluster">): RequestPlan {
  if (cluster === undefined) return { kind: "reply", status: 503, body: "", flag: "NC" };
  if (cluster.endpoints.length === 0) return { kind: "reply", status: 503, body: "no healthy upstream", flag: "UH" };
  return { kind: "forward", cluster, ...plan };
}

/** The endpoints of a destination; undefined where there is no such Service, port or subset. */
export function destinationCluster(
  facts: MeshFacts,
  destination: Destination,
  namespace: string,
  requestPort: number,
  clientNamespace: string,
): Cluster | undefined {
  const name = fullHost(destination.host, namespace, facts.domain);
  const service = facts.services.find((each) => serviceHost(each, facts.domain) === name);
  const number = destination.port?.number ?? (service?.ports.length === 1 ? service.ports[0]?.port : requestPort);
  const port = service?.ports.find((each) => each.port === number);
  if (service === undefined || port === undefined) return undefined;
  return clusterOf(facts, { service, port, subset: destination.subset }, clientNamespace);
}

/** To where the client meant it to go, as it is. */
export function passthrough({ address, port }: MeshEndpoint): Cluster {
  return { name: "PassthroughCluster", balancer: "RANDOM", endpoints: [{ address, port, isMutual: false }] };
}

/** A Service without an address of its own: its client has chosen the endpoint. */
export function headlessAt(
  { services }: MeshFacts,
  { address, port }: MeshEndpoint,
): { service: MeshService; port: MeshPort } | undefined {
  for (const service of services) {
    if (service.addresses.length > 0) continue;
    const found = service.ports.find(
      (each) => each.port === port && each.endpoints.some((endpoint) => endpoint.address === address),
    );
    if (found !== undefined) return { service, port: found };
  }
  return undefined;
}

/** Of a headless Service the endpoint that the client chose. */
export function pinned(
  cluster: Cluster | undefined,
  service: MeshService,
  original: MeshEndpoint,
): Cluster | undefined {
  if (cluster === undefined || service.addresses.length > 0) return cluster;
  const endpoints = cluster.endpoints.filter(({ address }) => address === original.address);
  return endpoints.length === 0 ? cluster : { ...cluster, endpoints };
}

/** A Host header without its port, lower case. */
function hostName(authority: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(authority)?.[1];
  return (bracketed ?? authority.replace(/:\d+$/, "")).toLowerCase();
}

function serviceNamed(facts: MeshFacts, host: string, port: number, from: string): MeshService | undefined {
  return facts.services.find(
    (service) =>
      service.ports.some((each) => each.port === port) &&
      (service.addresses.includes(host) || namesOf(service, facts.domain, from).includes(host)),
  );
}

function redirection(redirect: NonNullable<HttpRoute["redirect"]>, request: RoutedRequest, target: string): ReplyPlan {
  const { uri, authority, port, scheme = request.scheme, redirectCode = 301 } = redirect;
  const host = authority ?? request.authority;
  const location = `${scheme}://${port === undefined ? host : `${host.replace(/:\d+$/, "")}:${port}`}${uri ?? target}`;
  return { kind: "reply", status: redirectCode, body: "", headers: { location }, flag: "-" };
}

/** A prefix is exchanged for another, and what matched otherwise as a whole; the query stays. */
function rewritten(target: string, uri: string | undefined, match: HttpMatch | undefined): string {
  if (uri === undefined) return target;
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? "" : target.slice(mark);
  const prefix = match?.uri === undefined ? "/" : match.uri.prefix;
  return `${prefix === undefined ? uri : uri + path.slice(prefix.length)}${query}`;
}

function retriesOf(retries: Retries | undefined): RetryPlan {
  if (retries === undefined) return DEFAULT_RETRIES;
  const perTryTimeoutMs = durationOf(retries.perTryTimeout);
  const on = (retries.retryOn ?? "").split(",").map((word) => word.trim());
  return {
    attempts: retries.attempts ?? 2,
    ...(perTryTimeoutMs !== undefined && perTryTimeoutMs > 0 && { perTryTimeoutMs }),
    on: retries.retryOn === undefined ? DEFAULT_RETRIES.on : on,
  };
}

function faultOf(fault: Fault | undefined, random: Random): { reply?: ReplyPlan; delay: { delayMs?: number } } {
  const { abort, delay } = fault ?? {};
  const delayMs = delay !== undefined && isHit(delay.percentage, random) ? durationOf(delay.fixedDelay) : undefined;
  const reply: ReplyPlan | undefined =
    abort?.httpStatus !== undefined && isHit(abort.percentage, random)
      ? { kind: "reply", status: abort.httpStatus, body: "fault filter abort", flag: "FI" }
      : undefined;
  return { ...(reply && { reply }), delay: delayMs === undefined ? {} : { delayMs } };
}

function durationOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text);
}
