import type { Service } from "../../kube/types.ts";
import { keyOf, splitKey, type Controller } from "../controllers/controller.ts";
import { recordEvent } from "../event-recorder.ts";
import { addressPools, POOL_KEY } from "./pools.ts";
import { allocate, isBalanced, quotedList } from "./service-address.ts";

/**
 * MetalLB's controller: gives Services of type LoadBalancer addresses of a pool and writes them to their status. One that
 * gets none stays pending, with an event that says why, until a pool or another Service changes.
 */
export const metallbController: Controller = {
  name: "metallb-controller",
  kinds: ["Service", POOL_KEY],
  *keysOf({ type, key, object, previous }, store) {
    if (key === "Service" && type !== "DELETED") yield keyOf(object);
    const before = (type === "DELETED" ? object : previous) as Service | undefined;
    // What was taken may be free now.
    const isFreed = key === "Service" && (before?.status?.loadBalancer?.ingress ?? []).length > 0;
    if (key !== "Service" || isFreed)
      for (const service of store.list("Service")) if (isBalanced(service)) yield keyOf(service);
  },
  reconcile(key, { store, clock }) {
    const { namespace, name } = splitKey(key);
    const service = store.get("Service", name, namespace);
    if (service === undefined || (service.spec.type === "LoadBalancer" && !isBalanced(service))) return;
    const { loadBalancer, ...rest } = service.status ?? {};
    const present = loadBalancer?.ingress ?? [];
    const write = (ingress: typeof present): void =>
      void store.updateStatus<Service>({
        ...service,
        status: { ...rest, loadBalancer: ingress.length === 0 ? {} : { ingress } },
      });
    if (service.spec.type !== "LoadBalancer") {
      if (present.length > 0) write([]);
      return;
    }
    const found = allocate(service, addressPools(store), store);
    const tell = (reason: string, message: string, type?: "Normal"): void =>
      recordEvent(store, clock, { kind: "Service", namespace, name }, reason, message, type);
    if ("failure" in found) {
      if (present.length > 0) write([]);
      tell("AllocationFailed", `Failed to allocate IP for "${namespace}/${name}": ${found.failure}`);
      return;
    }
    const { addresses } = found;
    const isKept = present.length > 0 && present.every(({ ip }, index) => ip === addresses[index]);
    if (isKept && present.length === addresses.length) return;
    write(addresses.map((ip) => ({ ip, ipMode: "VIP" })));
    // Only a Service that prefers two families, and had to do with one, keeps that.
    const what = isKept ? `additional IP "${addresses.at(-1)}"` : `IP ${quotedList(addresses)}`;
    tell("IPAllocated", `Assigned ${what}`, "Normal");
  },
};
