import { cidrContains, parseCidr, parseIp } from "../../core/ip.ts";
import { matchesLabels } from "../../kube/selectors.ts";
import type {
  HttpMatch,
  HttpRoute,
  L4Match,
  StringMatch,
  TcpRoute,
  VirtualService,
} from "../../kube/mesh/mesh-types.ts";
import { bestFit, fullHost } from "./host-names.ts";
import type { MeshFacts, Workload } from "./mesh-facts.ts";

/** Sidecars are meant by this name among `gateways`, and where none are named. */
const MESH_GATEWAY = "mesh";

/** A request as routes look at it. */
export interface RoutedRequest {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  scheme: string;
  authority: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the Service. */
  port: number;
}

/** The VirtualService for a host, `host` being a full name; of two with the same host the older one. */
export function virtualServiceFor(
  { virtualServices, domain }: Pick<MeshFacts, "virtualServices" | "domain">,
  host: string,
): VirtualService | undefined {
  const ofMesh = virtualServices.filter(({ spec }) => isForMesh(spec.gateways));
  return bestFit(ofMesh, host, ({ metadata, spec }) =>
    (spec.hosts ?? []).map((each) => fullHost(each, metadata.namespace ?? "default", domain)),
  );
}

/** The first route that matches, and the match that did; undefined where none does. */
export function httpRouteFor(
  { spec }: VirtualService,
  request: RoutedRequest,
  client: Workload | undefined,
): { route: HttpRoute; match?: HttpMatch } | undefined {
  for (const route of spec.http ?? []) {
    if (route.match === undefined || route.match.length === 0) return { route };
    const match = route.match.find((each) => matchesRequest(each, request, client));
    if (match !== undefined) return { route, match };
  }
  return undefined;
}

export function tcpRouteFor(
  { spec }: VirtualService,
  connection: { address: string; port: number },
  client: Workload | undefined,
): TcpRoute | undefined {
  return (spec.tcp ?? []).find(
    ({ match = [] }) => match.length === 0 || match.some((each) => matchesConnection(each, connection, client)),
  );
}

function isForMesh(gateways: readonly string[] | undefined): boolean {
  return gateways === undefined || gateways.length === 0 || gateways.includes(MESH_GATEWAY);
}

function isFrom(
  { sourceLabels, sourceNamespace, gateways }: Pick<HttpMatch, "sourceLabels" | "sourceNamespace" | "gateways">,
  client: Workload | undefined,
): boolean {
  return (
    isForMesh(gateways) &&
    (sourceNamespace === undefined || sourceNamespace === client?.namespace) &&
    (sourceLabels === undefined || matchesLabels(sourceLabels, client?.labels))
  );
}

function matchesConnection(
  match: L4Match,
  { address, port }: { address: string; port: number },
  client?: Workload,
): boolean {
  const ip = parseIp(address);
  const isInSubnet = (text: string): boolean => {
    const cidr = parseCidr(text);
    return ip !== undefined && (cidr === undefined ? text === address : cidrContains(cidr, ip));
  };
  return (
    isFrom(match, client) &&
    (match.port === undefined || match.port === port) &&
    (match.destinationSubnets === undefined || match.destinationSubnets.some(isInSubnet))
  );
}

function matchesRequest(match: HttpMatch, request: RoutedRequest, client: Workload | undefined): boolean {
  const every = (
    texts: Record<string, StringMatch> | undefined,
    valueOf: (name: string) => string | undefined,
  ): boolean => Object.entries(texts ?? {}).every(([name, text]) => matchesText(text, valueOf(name)));
  const header = (name: string): string | undefined => {
    const sent = request.headers[name.toLowerCase()];
    return Array.isArray(sent) ? sent.join(",") : sent;
  };
  return (
    isFrom(match, client) &&
    (match.port === undefined || match.port === request.port) &&
    (match.uri === undefined || matchesText(match.uri, request.path, match.ignoreUriCase)) &&
    (match.scheme === undefined || matchesText(match.scheme, request.scheme)) &&
    (match.method === undefined || matchesText(match.method, request.method)) &&
    (match.authority === undefined || matchesText(match.authority, request.authority)) &&
    every(match.headers, header) &&
    every(match.queryParams, (name) => request.query.get(name) ?? undefined) &&
    !Object.entries(match.withoutHeaders ?? {}).some(([name, text]) => matchesText(text, header(name)))
  );
}

/** A match without a field asks only that something is there. */
function matchesText({ exact, prefix, regex }: StringMatch, text: string | undefined, ignoresCase = false): boolean {
  if (text === undefined) return false;
  const folded = (value: string): string => (ignoresCase ? value.toLowerCase() : value);
  if (exact !== undefined) return folded(text) === folded(exact);
  if (prefix !== undefined) return folded(text).startsWith(folded(prefix));
  return regex === undefined || wholeMatch(regex).test(text);
}

/** RE2's syntax as far as it is ECMAScript's; the whole text has to match. Throws SyntaxError. */
export function wholeMatch(regex: string): RegExp {
  return new RegExp(`^(?:${regex})$`, "u");
}
