import type { EndpointAddress, Endpoints, EndpointSlice, Service } from "../../kube/types.ts";
import { keyOf, splitKey, type Controller } from "./controller.ts";
import { hasSelector } from "./service-endpoints.ts";
import { writeSlices, type WantedSlice } from "./slice-writer.ts";

const MANAGED_BY = "endpointslicemirroring-controller.k8s.io";

/** Copies hand-written Endpoints of Services without a selector into EndpointSlices, the only thing kube-proxy reads. */
export const endpointSliceMirroring: Controller = {
  name: "endpointslice-mirroring",
  kinds: ["Service", "Endpoints"],
  *keysOf(event) {
    yield keyOf(event.object);
  },
  reconcile(key, { store }) {
    const { namespace, name } = splitKey(key);
    const service = store.get("Service", name, namespace);
    if (service === undefined || hasSelector(service) || service.spec.type === "ExternalName") return;
    if (store.get("Namespace", namespace)?.metadata.deletionTimestamp !== undefined) return;
    const endpoints = store.get("Endpoints", name, namespace);
    const labels = { ...endpoints?.metadata.labels };
    writeSlices(
      store,
      { owner: endpoints ?? service, serviceName: name, managedBy: MANAGED_BY, labels },
      wantedSlices(service, endpoints),
    );
  },
};

function wantedSlices(service: Service, endpoints: Endpoints | undefined): WantedSlice[] {
  return (endpoints?.subsets ?? []).flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const all = [
      ...addresses.map((address) => sliceEndpoint(address, true)),
      ...notReadyAddresses.map((address) => sliceEndpoint(address, service.spec.publishNotReadyAddresses === true)),
    ];
    const slicePorts = ports.map(({ name = "", port, protocol = "TCP" as const }) => ({ name, port, protocol }));
    return (["IPv4", "IPv6"] as const).flatMap((addressType) => {
      const ofFamily = all.filter(({ addresses: [ip = ""] }) => ip.includes(":") === (addressType === "IPv6"));
      return ofFamily.length === 0 ? [] : [{ addressType, endpoints: ofFamily, ports: slicePorts }];
    });
  });
}

function sliceEndpoint({ ip, ...rest }: EndpointAddress, ready: boolean): EndpointSlice["endpoints"][number] {
  return { addresses: [ip], conditions: { ready }, ...rest };
}
