import {
  GATEWAY_CONTROLLER,
  type Gateway,
  type GatewayClass,
  type HttpRoute,
} from "../../../kube/gateway/gateway-types.ts";
import { TRAEFIK_NAME, TRAEFIK_NAMESPACE } from "../../../kube/traefik.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { ObjectStore } from "../../store/store.ts";
import { staticConfiguration } from "../static-configuration.ts";
import type { GatewayConfiguration, LogLine, StaticConfiguration } from "../types.ts";
import { told, type Told } from "./conditions.ts";
import { loadGateway, type LoadedListener } from "./listeners.ts";
import { loadRoute, type ParentStatus, type RouteParts } from "./routes.ts";

/** Kinds whose changes change {@link loadGateways}, beside those of Ingresses. */
export const GATEWAY_KINDS = [
  "GatewayClass",
  "Gateway",
  "HTTPRoute",
  "ReferenceGrant",
  "Namespace",
  "Deployment",
] as const;

/** What is said of a Gateway. */
export interface GatewayTold {
  gateway: Gateway;
  addresses: { type: string; value: string }[];
  listeners: LoadedListener[];
  conditions: Told[];
}

/** What Traefik makes of the Gateway API's objects, and what it says of them. */
export interface LoadedGateways {
  configuration: GatewayConfiguration;
  classes: { gatewayClass: GatewayClass; accepted: Told }[];
  gateways: GatewayTold[];
  routes: { route: HttpRoute; parents: ParentStatus[] }[];
}

const PROVIDER = "kubernetesgateway";

/** The flags of the Traefik that the add-on installed; undefined where there is none, or where they are wrong. */
function installedTraefik(store: ObjectStore): StaticConfiguration | undefined {
  const deployment = store.get("Deployment", TRAEFIK_NAME, TRAEFIK_NAMESPACE);
  const [container] = deployment?.spec.template.spec.containers ?? [];
  const statics = container && staticConfiguration(container.args ?? []);
  return typeof statics === "string" ? undefined : statics;
}

/** As Traefik reads them (pkg/provider/kubernetes/gateway loadConfigurationFromGateways); undefined where its flags do not say that it does. */
export function loadGateways(store: ObjectStore): LoadedGateways | undefined {
  const statics = installedTraefik(store);
  if (statics?.gatewayProvider === undefined) return undefined;
  const errors: LogLine[] = [];
  const addresses = addressesOf(store, statics.gatewayProvider);
  if (addresses === undefined) {
    errors.push({ message: "Unable to get Gateway status addresses", fields: { providerName: PROVIDER } });
    return { configuration: { ...EMPTY, errors }, classes: [], gateways: [], routes: [] };
  }
  const classes = store.list("GatewayClass").filter(({ spec }) => spec.controllerName === GATEWAY_CONTROLLER);
  const names = new Set(classes.map(({ metadata }) => metadata.name));
  const loaded = store
    .list("Gateway")
    .filter(({ spec }) => names.has(spec.gatewayClassName))
    .toSorted(byName)
    .map((gateway) => ({ gateway, ...loadGateway(store, gateway, statics.entryPoints) }));
  const all = loaded.flatMap(({ listeners }) => listeners);
  const parts: RouteParts = { routers: new Map(), services: {}, weighted: {} };
  const routes = store
    .list("HTTPRoute")
    .toSorted(byName)
    .flatMap((route) => {
      const parents = loadRoute(store, route, all, { into: parts, tell: (line) => void errors.push(line) });
      return parents === undefined ? [] : [{ route, parents }];
    });
  const gateways = loaded.map(({ gateway, listeners }): GatewayTold => {
    const faults = listeners.flatMap(({ conditions }) => conditions);
    if (faults.length > 0) errors.push(notAccepted(gateway, faults));
    return { gateway, addresses, listeners, conditions: gatewayConditions(gateway, faults.length === 0) };
  });
  const certificates = loaded.flatMap((each) =>
    [...each.certificates].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, pair]) => pair),
  );
  const { services, weighted } = parts;
  return {
    configuration: { routers: [...parts.routers.values()], services, weighted, certificates, errors },
    classes: classes.map((gatewayClass) => ({ gatewayClass, accepted: handled(gatewayClass) })),
    gateways,
    routes,
  };
}

const EMPTY: GatewayConfiguration = { routers: [], services: {}, weighted: {}, certificates: [], errors: [] };

function byName({ metadata: one }: KubeObject, { metadata: other }: KubeObject): number {
  const key = ({ namespace = "", name }: KubeObject["metadata"]): string => `${namespace}/${name}`;
  return key(one) < key(other) ? -1 : 1;
}

/** Those that the load balancer of the Service has; undefined where there is no such Service. */
function addressesOf(
  store: ObjectStore,
  { statusService }: NonNullable<StaticConfiguration["gatewayProvider"]>,
): { type: string; value: string }[] | undefined {
  if (statusService === undefined) return [];
  const service = store.get("Service", statusService.name, statusService.namespace);
  return (
    service &&
    (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip = "", hostname = "" }) =>
      ip === "" ? (hostname === "" ? [] : [{ type: "Hostname", value: hostname }]) : [{ type: "IPAddress", value: ip }],
    )
  );
}

function handled({ metadata: { generation } }: GatewayClass): Told {
  return told("Accepted", true, "Handled", { message: "Handled by Traefik controller", generation });
}

function gatewayConditions({ metadata: { generation } }: Gateway, isValid: boolean): Told[] {
  if (!isValid)
    return [told("Accepted", false, "ListenersNotValid", { message: "All Listeners must be valid", generation })];
  const message = "Gateway successfully scheduled";
  return [
    told("Accepted", true, "Accepted", { message, generation }),
    told("Programmed", true, "Programmed", { message, generation }),
  ];
}

function notAccepted({ metadata: { name, namespace = "default" } }: Gateway, faults: readonly Told[]): LogLine {
  const messages = [...new Set(faults.map(({ message }) => message))];
  const many = messages.length === 1 ? "1 error occurred:" : `${messages.length} errors occurred:`;
  return {
    message: "Gateway Not Accepted",
    error: `${many}\n${messages.map((message) => `\t* ${message}\n`).join("")}\n`,
    fields: { gateway: name, namespace, providerName: PROVIDER },
  };
}
