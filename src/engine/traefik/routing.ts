import { Balancer } from "./balancer.ts";
import { buildChain } from "./middlewares/build-chain.ts";
import { qualifiedName } from "./qualified-name.ts";
import { matcherOf, type AskedRequest, type Matches } from "./rule.ts";
import type {
  Configuration,
  EntryPoint,
  Filter,
  GatewayConfiguration,
  LoadBalancer,
  LogLine,
  Router,
  StaticConfiguration,
} from "./types.ts";
import { WeightedBalancer, type WeightedChild } from "./weighted-balancer.ts";

/** A service as requests are sent to it. */
export interface RoutedService {
  /** With its provider. */
  name: string;
  balancer: Pick<WeightedChild, "choose">;
  passHostHeader: boolean;
  /** What the router does with its requests; absent: nothing. */
  filters?: readonly Filter[];
}

interface Route {
  matches: Matches;
  priority: number;
  service: RoutedService;
}

/** Which requests go where: at each entry point, those that came over TLS apart from those that did not. */
export class Routing {
  private readonly tables = new Map<string, { plain: Route[]; tls: Route[] }>();
  /** What could not be routed. */
  readonly errors: LogLine[] = [];

  constructor(configuration: Configuration, statics: StaticConfiguration, random = Math.random) {
    const { entryPoints, ping } = statics;
    for (const { name } of entryPoints) this.tables.set(name, { plain: [], tls: [] });
    const defaults = entryPoints.some(({ isDefault }) => isDefault)
      ? entryPoints.filter(({ isDefault }) => isDefault)
      : entryPoints;
    const add = (router: Router, found: RoutedService | string): void => {
      for (const { entryPoint, isTls } of this.placesOf(router, entryPoints, defaults)) {
        if (typeof found === "string") {
          const entryPointName = entryPoint.name;
          this.errors.push({ message: "", error: found, fields: { entryPointName, routerName: router.name } });
          continue;
        }
        const priority = router.priority === 0 ? router.rule.text.length : router.priority;
        const table = this.tables.get(entryPoint.name);
        table?.[isTls ? "tls" : "plain"].push({ matches: matcherOf(router.rule), priority, service: found });
      }
    };
    const middlewares = statics.hasCrdProvider ? configuration.middlewares : {};
    const ofIngress = ingressServices(configuration, middlewares, random);
    for (const router of configuration.routers) add(router, ofIngress(router));
    const { gateway } = configuration;
    const ofGateway = gateway && gatewayServices(gateway, middlewares, random);
    for (const router of gateway?.routers ?? []) add(router, ofGateway?.(router) ?? "");
    // Stable: of two with one priority the first by name, where Traefik leaves it to chance.
    for (const { plain, tls } of this.tables.values())
      for (const routes of [plain, tls]) routes.sort((one, other) => other.priority - one.priority);
    this.ping = ping;
  }

  private readonly ping: string | undefined;

  /** The service of a request; undefined where no rule is its own. */
  find(asked: {
    entryPoint: string;
    isTls: boolean;
    host: string;
    path: string;
    /** Read where a rule asks for more than host and path. */
    request?: () => AskedRequest;
  }): RoutedService | "ping" | undefined {
    const { entryPoint, isTls, host, path, request } = asked;
    if (entryPoint === this.ping && !isTls && path.startsWith("/ping")) return "ping";
    const routes = this.tables.get(entryPoint)?.[isTls ? "tls" : "plain"] ?? [];
    return routes.find(({ matches }) => matches(host, path, request))?.service;
  }

  /** Where a router's rule counts, and whether for TLS: by its own word, else by its entry point's (pkg/server/aggregator.go, applyModel). */
  private placesOf(
    router: Router,
    entryPoints: readonly EntryPoint[],
    defaults: readonly EntryPoint[],
  ): { entryPoint: EntryPoint; isTls: boolean }[] {
    const { entryPoints: wanted, name: routerName } = router;
    for (const name of wanted)
      if (!entryPoints.some((each) => each.name === name))
        this.errors.push({ message: "EntryPoint doesn't exist", fields: { entryPointName: name, routerName } });
    const chosen = wanted.length === 0 ? defaults : entryPoints.filter(({ name }) => wanted.includes(name));
    if (chosen.length === 0)
      this.errors.push({ message: "No valid entryPoint for this router", fields: { routerName } });
    return chosen.map((entryPoint) => ({ entryPoint, isTls: router.isTls || entryPoint.hasTls }));
  }
}

/** Gives each router its service with what its middlewares do, or why it cannot be built; the balancer is one for all routers that name it. */
function ingressServices(
  { services }: Configuration,
  middlewares: Configuration["middlewares"],
  random: () => number,
): (router: Router) => RoutedService | string {
  const routed = new Map<string, RoutedService>();
  return (router) => {
    const filters = buildChain(router.middlewares, middlewares, "kubernetes");
    if (typeof filters === "string") return filters;
    const id = router.service;
    const balancer = Object.hasOwn(services, id) ? services[id] : undefined;
    if (balancer === undefined) return "";
    const { serversTransport: transport } = balancer;
    if (transport !== undefined) return `servers transport not found ${qualifiedName(transport, "kubernetes")}`;
    const present = routed.get(id) ?? routedService(id, balancer, random);
    routed.set(id, present);
    return { ...present, filters };
  };
}

/** Services are shared by all routers, what shares requests among them is each router's own. */
function gatewayServices(
  { services, weighted }: GatewayConfiguration,
  middlewares: Configuration["middlewares"],
  random: () => number,
): (router: Router) => RoutedService | string {
  const balancers = new Map(Object.entries(services).map(([id, service]) => [id, new Balancer(service, random)]));
  return ({ service: id, filters: named = [] }) => {
    const filters: Filter[] = [];
    for (const filter of named) {
      const own = filter.kind === "middleware" ? buildChain([filter.name], middlewares, "kubernetesgateway") : [filter];
      if (typeof own === "string") return own;
      filters.push(...own);
    }
    const shares = weighted[id] ?? [];
    // Services of Traefik's own kind, which are not modelled.
    const missing = shares.find(({ service }) => service !== undefined && !balancers.has(service))?.service;
    if (missing !== undefined) return `the service ${JSON.stringify(missing)} does not exist`;
    const children = shares.map(({ service, status = 500, weight }): WeightedChild => {
      const balancer = service === undefined ? undefined : balancers.get(service);
      return { weight, choose: (cookies) => (balancer === undefined ? { status } : balancer.choose(cookies)) };
    });
    const balancer = new WeightedBalancer(children, random);
    return { name: `${id}@kubernetesgateway`, balancer, passHostHeader: true, filters };
  };
}

function routedService(id: string, service: LoadBalancer, random: () => number): RoutedService {
  const { passHostHeader } = service;
  return { name: `${id}@kubernetes`, balancer: new Balancer(service, random), passHostHeader };
}
