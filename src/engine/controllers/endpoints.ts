import type { Endpoints } from "../../kube/types.ts";
import { splitKey, type Controller } from "./controller.ts";
import {
  byPorts,
  endpointLabels,
  hasSelector,
  serviceEndpoints,
  servicesConcerned,
  type ServiceEndpoint,
} from "./service-endpoints.ts";

/** Keeps the Endpoints of Services that have a selector; those of others are left to whoever wrote them. */
export const endpointsController: Controller = {
  name: "endpoints",
  kinds: ["Service", "Pod"],
  keysOf: servicesConcerned,
  reconcile(key, { store }) {
    const { namespace, name } = splitKey(key);
    const service = store.get("Service", name, namespace);
    const present = store.get("Endpoints", name, namespace);
    if (service === undefined) {
      if (present !== undefined) store.delete({ kind: "Endpoints", namespace, name });
      return;
    }
    if (!hasSelector(service) || service.metadata.deletionTimestamp !== undefined) return;
    if (present === undefined && store.get("Namespace", namespace)?.metadata.deletionTimestamp !== undefined) return;
    // Of the Service's first family alone; EndpointSlices have both.
    const primary = service.spec.ipFamilies?.[0] ?? "IPv4";
    const endpoints = serviceEndpoints(service, store.list("Pod", namespace));
    const subsets = subsetsOf(endpoints.filter(({ family }) => family === primary));
    const labels = endpointLabels(service);
    if (present === undefined)
      store.create<Endpoints>({ apiVersion: "v1", kind: "Endpoints", metadata: { name, namespace, labels }, subsets });
    else store.update({ ...present, metadata: { ...present.metadata, labels }, subsets });
  },
};

/** A terminating pod is in no subset, unless its Service publishes addresses that are not ready. */
function subsetsOf(endpoints: readonly ServiceEndpoint[]): NonNullable<Endpoints["subsets"]> {
  const listed = endpoints.filter(({ ready, terminating }) => ready || !terminating);
  return byPorts(listed).map((group) => {
    const addresses = group.filter(({ ready }) => ready).map(({ address }) => address);
    const notReadyAddresses = group.filter(({ ready }) => !ready).map(({ address }) => address);
    const ports = (group[0]?.ports ?? []).map(({ name, ...port }) => (name === "" ? port : { name, ...port }));
    return {
      ...(addresses.length > 0 ? { addresses } : {}),
      ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
      ...(ports.length > 0 ? { ports } : {}),
    };
  });
}
