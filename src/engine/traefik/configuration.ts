import { isRecord } from "../../core/is-record.ts";
import {
  CLASS_ANNOTATION,
  type Ingress,
  type IngressBackend,
  type IngressPath,
  type IngressRule,
} from "../../kube/ingress.ts";
import { TRAEFIK_CONTROLLER } from "../../kube/traefik.ts";
import type { ObjectStore } from "../store/store.ts";
import { AnnotationError, routerAnnotations, type RouterAnnotations } from "./annotations.ts";
import { BackendError, loadBackend } from "./backend.ts";
import { cookieName } from "./cookie-name.ts";
import { GATEWAY_KINDS, loadGateways } from "./gateway/load-gateways.ts";
import { normalize } from "./normalize.ts";
import { routerRule } from "./rule.ts";
import { certificateOf } from "./secret-certificate.ts";
import type { Configuration, LoadBalancer, Router } from "./types.ts";

/** Kinds whose changes change {@link loadConfiguration}. */
export const TRAEFIK_KINDS = [
  "Ingress",
  "IngressClass",
  "Service",
  "EndpointSlice",
  "Secret",
  "Node",
  ...GATEWAY_KINDS,
] as const;

/** After every route that is not told its priority (Go's math.MinInt32). */
const LAST = -2_147_483_648;

const DEFAULT_BACKEND = "default-backend";

/** The Ingresses that Traefik serves, in the order of their names. */
export function servedIngresses(store: ObjectStore): Ingress[] {
  const classes = new Set(
    store
      .list("IngressClass")
      .filter(({ spec }) => spec?.controller === TRAEFIK_CONTROLLER)
      .map(({ metadata }) => metadata.name),
  );
  const isServed = ({ spec, metadata }: Ingress): boolean => {
    if (spec.ingressClassName !== undefined) return classes.has(spec.ingressClassName);
    const annotated = metadata.annotations?.[CLASS_ANNOTATION] ?? "";
    return annotated === "" || annotated === "traefik";
  };
  const ingresses = store.list("Ingress").filter((each) => isRecord(each.spec));
  return ingresses.filter(isServed).toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
}

function keyOf({ metadata }: Ingress): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/**
 * What Traefik makes of the cluster's objects (pkg/provider/kubernetes/ingress/kubernetes.go of v3.5.3, with its defaults). A path whose backend has
 * no endpoints has no router at all, so that its requests go to a shorter one or are not found.
 */
export function loadConfiguration(store: ObjectStore): Configuration {
  const ingresses = servedIngresses(store);
  const loaded = new Loader(store);
  for (const ingress of ingresses) loaded.add(ingress);
  const gateways = loadGateways(store);
  return { ...loaded.configuration(), ...(gateways === undefined ? {} : { gateway: gateways.configuration }) };
}

/** Go's fmt of a ServiceBackendPort. */
function portText({ port: { name = "", number = 0 } = {} }: NonNullable<IngressBackend["service"]>): string {
  return `&ServiceBackendPort{Name:${name},Number:${number},}`;
}

class Loader {
  private readonly store: ObjectStore;
  private readonly routers: Router[] = [];
  private readonly services: Record<string, LoadBalancer> = {};
  private readonly certificates = new Map<string, { cert: string; key: string }>();
  private readonly errors: Configuration["errors"] = [];

  constructor(store: ObjectStore) {
    this.store = store;
  }

  configuration(): Configuration {
    const { routers, services, certificates, errors } = this;
    const inOrder = [...certificates].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, pair]) => pair);
    return { routers, services, certificates: inOrder, errors };
  }

  add(ingress: Ingress): void {
    let said: RouterAnnotations;
    try {
      said = routerAnnotations(ingress.metadata.annotations);
    } catch (error) {
      if (!(error instanceof AnnotationError)) throw error;
      this.tell(ingress, "Failed to parse annotations", error.message);
      return;
    }
    this.addCertificates(ingress);
    const { rules = [], defaultBackend } = ingress.spec;
    if (rules.length === 0 && defaultBackend !== undefined) this.addDefault(ingress, defaultBackend, said);
    const routers = rules.flatMap((rule) =>
      (rule.http?.paths ?? []).flatMap((path) => this.routersOf(ingress, rule, path, said)),
    );
    this.routers.push(...named(routers));
  }

  /** One that cannot be read leaves its routers: they are served with another certificate. */
  private addCertificates({ metadata, spec }: Ingress): void {
    const namespace = metadata.namespace ?? "default";
    for (const { secretName = "" } of spec.tls ?? []) {
      if (secretName === "") continue;
      const key = `${namespace}-${secretName}`;
      if (this.certificates.has(key)) continue;
      const found = certificateOf(this.store, namespace, secretName);
      if (typeof found === "string") {
        this.tell({ metadata }, "Error configuring TLS", found);
        // The rest of the list is not read, either.
        return;
      }
      this.certificates.set(key, found);
    }
  }

  private addDefault(ingress: Ingress, { service }: IngressBackend, said: RouterAnnotations): void {
    if (Object.hasOwn(this.services, DEFAULT_BACKEND)) {
      this.tell(ingress, "The default backend already exists.");
      return;
    }
    const balancer = service && this.serviceOf(ingress, service);
    if (balancer === undefined) return;
    this.addService(DEFAULT_BACKEND, balancer);
    const { entryPoints, middlewares, isTls } = said;
    const rule = { text: "PathPrefix(`/`)", path: { matcher: "PathPrefix", value: "/" } } as const;
    const route = { rule, priority: LAST, service: DEFAULT_BACKEND };
    this.routers.push({ name: "default-router@kubernetes", ...route, entryPoints, middlewares, isTls });
  }

  private routersOf(ingress: Ingress, rule: IngressRule, path: IngressPath, said: RouterAnnotations): Router[] {
    const { service, resource } = path.backend;
    if (resource !== undefined) {
      this.tell(ingress, "Resource backends are not supported");
      return [];
    }
    const balancer = service && this.serviceOf(ingress, service);
    if (service === undefined || balancer === undefined) return [];
    const { namespace = "default", name } = ingress.metadata;
    const port = service.port?.name ?? "";
    const id = normalize(`${namespace}-${service.name}-${port === "" ? String(service.port?.number ?? 0) : port}`);
    this.addService(id, balancer);
    const key = `${normalize(`${namespace}-${name}-${rule.host ?? ""}${path.path ?? ""}`)}@kubernetes`;
    const made = routerRule(rule, path, said.pathMatcher);
    if (typeof made === "string") {
      this.errors.push({ message: "", error: made, fields: { routerName: key } });
      return [];
    }
    const { priority, entryPoints, middlewares, isTls } = said;
    return [{ name: key, rule: made, priority, entryPoints, middlewares, isTls, service: id }];
  }

  private addService(id: string, balancer: LoadBalancer): void {
    const { sticky } = balancer;
    // The provider's name is part of the name that a cookie is made of.
    const named = sticky && { sticky: { ...sticky, name: cookieName(sticky.name, `${id}@kubernetes`) } };
    this.services[id] = { ...balancer, ...named };
  }

  private serviceOf(ingress: Ingress, service: NonNullable<IngressBackend["service"]>): LoadBalancer | undefined {
    const fields = { serviceName: service.name, servicePort: portText(service) };
    try {
      const balancer = loadBackend(this.store, ingress.metadata.namespace ?? "default", service);
      if (balancer.servers.length > 0) return balancer;
      this.tell(ingress, "Skipping service: no endpoints found", undefined, fields);
    } catch (error) {
      if (!(error instanceof BackendError || error instanceof AnnotationError)) throw error;
      this.tell(ingress, "Cannot create service", error.message, fields);
    }
    return undefined;
  }

  private tell(
    { metadata: { name, namespace = "default" } }: Pick<Ingress, "metadata">,
    message: string,
    error?: string,
    fields: Readonly<Record<string, string>> = {},
  ): void {
    this.errors.push({
      message,
      ...(error === undefined ? {} : { error }),
      fields: { ingress: name, namespace, providerName: "kubernetes", ...fields },
    });
  }
}

/** Two of one name are told apart by their rules, as Traefik does it by a digest of them. */
function named(routers: readonly Router[]): Router[] {
  const count = new Map<string, number>();
  for (const { name } of routers) count.set(name, (count.get(name) ?? 0) + 1);
  const rules = new Map<string, Router>();
  for (const router of routers) {
    const isOnly = count.get(router.name) === 1;
    rules.set(isOnly ? router.name : `${router.name} ${router.rule.text}`, router);
  }
  return [...rules.values()];
}
