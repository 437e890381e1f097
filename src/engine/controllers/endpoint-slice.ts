import type { EndpointSlice, Service } from "../../kube/types.ts";
import { keyOf, splitKey, type Controller } from "./controller.ts";
import { hintsFor, zoneOf } from "./endpoint-hints.ts";
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
  kinds: ["Service", "Pod", "EndpointSlice", "Node"],
  *keysOf(event, store) {
    if (event.key === "Node") {
      const isMoved = zoneOf(event.object) !== (event.previous === undefined ? undefined : zoneOf(event.previous));
      if (isMoved) for (const service of store.list("Service")) if (hasSelector(service)) yield keyOf(service);
      return;
    }
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
    const zones = (node: string): string | undefined => zoneOf(store.get("Node", node));
    const wanted = wantedSlices(service, serviceEndpoints(service, store.list("Pod", namespace)), zones);
    writeSlices(
      store,
      { owner: service, serviceName: name, managedBy: MANAGED_BY, labels: endpointLabels(service) },
      wanted,
    );
  },
};

function wantedSlices(
  service: Service,
  endpoints: readonly ServiceEndpoint[],
  zones: (node: string) => string | undefined,
): WantedSlice[] {
  const families = service.spec.ipFamilies ?? ["IPv4"];
  return families.flatMap((family) => {
    const groups = byPorts(endpoints.filter((endpoint) => endpoint.family === family));
    // A Service without endpoints still has one empty slice a family, as the real controller leaves one.
    if (groups.length === 0) return [{ addressType: family, endpoints: [], ports: [] }];
    return groups.map((group) => ({
      addressType: family,
      endpoints: group.map((endpoint) => sliceEndpoint(endpoint, service, zones)),
      ports: group[0]?.ports ?? [],
    }));
  });
}

function sliceEndpoint(
  { address, ready, serving, terminating }: ServiceEndpoint,
  { spec }: Service,
  zones: (node: string) => string | undefined,
): EndpointSlice["endpoints"][number] {
  const { ip, ...rest } = address;
  const { nodeName } = rest;
  const zone = nodeName === undefined ? undefined : zones(nodeName);
  const place = { ...(nodeName === undefined ? {} : { nodeName }), ...(zone === undefined ? {} : { zone }) };
  const hints = ready ? hintsFor(spec.trafficDistribution, place) : undefined;
  const conditions = { ready, serving, terminating };
  return { addresses: [ip], conditions, ...rest, ...place, ...(hints === undefined ? {} : { hints }) };
}
