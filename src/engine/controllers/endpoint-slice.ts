import type { EndpointSlice, Service } from "../../kube/types.ts";
import { splitKey, type Controller } from "./controller.ts";
import { writeSlices, type WantedSlice } from "./slice-writer.ts";
import {
  byPorts,
  endpointLabels,
  hasSelector,
  serviceEndpoints,
  servicesConcerned,
  type ServiceEndpoint,
} from "./service-endpoints.ts";

const MANAGED_BY = "endpointslice-controller.k8s.io";

/** Keeps the EndpointSlices of Services that have a selector: one a family and set of ports, of 100 endpoints at most. */
export const endpointSliceController: Controller = {
  name: "endpointslice",
  kinds: ["Service", "Pod", "EndpointSlice"],
  *keysOf(event, store) {
    if (event.key !== "EndpointSlice") {
      yield* servicesConcerned(event, store);
      return;
    }
    // A slice of ours that someone else deletes or edits comes back.
    const { labels, namespace } = event.object.metadata;
    const service = labels?.["kubernetes.io/service-name"];
    const isOurs = labels?.["endpointslice.kubernetes.io/managed-by"] === MANAGED_BY;
    if (isOurs && event.type !== "ADDED" && service !== undefined) yield `${namespace ?? ""}/${service}`;
  },
  reconcile(key, { store }) {
    const { namespace, name } = splitKey(key);
    const service = store.get("Service", name, namespace);
    // Without its Service the garbage collector takes the slices.
    if (service === undefined || !hasSelector(service) || service.metadata.deletionTimestamp !== undefined) return;
    if (store.get("Namespace", namespace)?.metadata.deletionTimestamp !== undefined) return;
    const wanted = wantedSlices(service, serviceEndpoints(service, store.list("Pod", namespace)));
    writeSlices(
      store,
      { owner: service, serviceName: name, managedBy: MANAGED_BY, labels: endpointLabels(service) },
      wanted,
    );
  },
};

function wantedSlices(service: Service, endpoints: readonly ServiceEndpoint[]): WantedSlice[] {
  const families = service.spec.ipFamilies ?? ["IPv4"];
  return families.flatMap((family) => {
    const groups = byPorts(endpoints.filter((endpoint) => endpoint.family === family));
    // A Service without endpoints still has one empty slice a family, as the real controller leaves one.
    if (groups.length === 0) return [{ addressType: family, endpoints: [], ports: [] }];
    return groups.map((group) => ({
      addressType: family,
      endpoints: group.map(sliceEndpoint),
      ports: group[0]?.ports ?? [],
    }));
  });
}

function sliceEndpoint({ address, ready, serving, terminating }: ServiceEndpoint): EndpointSlice["endpoints"][number] {
  const { ip, ...rest } = address;
  return { addresses: [ip], conditions: { ready, serving, terminating }, ...rest };
}
