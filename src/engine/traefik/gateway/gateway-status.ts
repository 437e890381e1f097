import type { Condition, Gateway, GatewayClass, HttpRoute } from "../../../kube/gateway/gateway-types.ts";
import { GATEWAY_CONTROLLER } from "../../../kube/gateway/gateway-types.ts";
import { apiTime } from "../../clock.ts";
import type { Controller } from "../../controllers/controller.ts";
import { equalJson } from "../../store/json.ts";
import type { ObjectStore } from "../../store/store.ts";
import type { Told } from "./conditions.ts";
import { GATEWAY_KINDS, loadGateways, type GatewayTold, type LoadedGateways } from "./load-gateways.ts";

/** Traefik's writing of what it made of classes, Gateways and HTTPRoutes, whenever that is something else than before. */
export const gatewayStatus: Controller = {
  name: "traefik-gateway-status",
  kinds: [...GATEWAY_KINDS, "Service", "EndpointSlice", "Secret"],
  *keysOf() {
    yield "all";
  },
  reconcile(_key, { store, clock }) {
    const loaded = loadGateways(store);
    if (loaded === undefined) return;
    const writer = new Writer(store, apiTime(clock.nowMs()));
    for (const each of loaded.classes) writer.gatewayClass(each);
    for (const each of loaded.gateways) writer.gateway(each);
    for (const each of loaded.routes) writer.route(each);
  },
};

class Writer {
  private readonly store: ObjectStore;
  private readonly now: string;

  constructor(store: ObjectStore, now: string) {
    this.store = store;
    this.now = now;
  }

  gatewayClass({ gatewayClass, accepted }: LoadedGateways["classes"][number]): void {
    const others = (gatewayClass.status?.conditions ?? []).filter(({ type }) => type !== accepted.type);
    const conditions = [...others, ...this.dated([accepted])];
    this.write<GatewayClass>(gatewayClass, { conditions });
  }

  gateway({ gateway, addresses, listeners, conditions }: GatewayTold): void {
    const { generation } = gateway.metadata;
    const sound = ["Accepted", "ResolvedRefs", "Programmed"].map((type): Told => {
      const of = generation === undefined ? {} : { observedGeneration: generation };
      return { type, status: "True", reason: type, message: "No error found", ...of };
    });
    this.write<Gateway>(gateway, {
      ...(addresses.length === 0 ? {} : { addresses }),
      listeners: listeners.map(({ name, kinds, attachedRoutes, conditions: faults }) => ({
        name,
        attachedRoutes,
        supportedKinds: kinds,
        conditions: this.dated(faults.length === 0 ? sound : faults),
      })),
      conditions: this.dated(conditions),
    });
  }

  /** What others say of a route's parents stays. */
  route({ route, parents }: LoadedGateways["routes"][number]): void {
    const others = (route.status?.parents ?? []).filter(({ controllerName }) => controllerName !== GATEWAY_CONTROLLER);
    const own = parents.map((parent) => ({ ...parent, conditions: this.dated(parent.conditions) }));
    this.write<HttpRoute>(route, { parents: [...own, ...others] });
  }

  private dated(conditions: readonly Told[]): Condition[] {
    return conditions.map((condition) => ({ ...condition, lastTransitionTime: this.now }));
  }

  /** As Traefik does it: times are no difference, and all of them are new where there is one. */
  private write<Kind extends GatewayClass | Gateway | HttpRoute>(
    object: Kind,
    status: NonNullable<Kind["status"]>,
  ): void {
    if (equalJson(timeless(object.status), timeless(status))) return;
    this.store.updateStatus<Kind>({ ...object, status });
  }
}

/** A status without the times of its conditions. */
function timeless(status: unknown): unknown {
  return JSON.parse(
    JSON.stringify(status ?? null, (key, value: unknown) => (key === "lastTransitionTime" ? undefined : value)),
  );
}
