import { externalAddressesOf } from "../../../kube/load-balancers.ts";
import type { EndpointSlice, Service } from "../../../kube/types.ts";

/** UDP Service addresses ("10.96.0.10:53"), those of node ports included, and the endpoint addresses behind each. */
export type UdpTranslations = Map<string, Set<string>>;

const SERVICE_NAME = "kubernetes.io/service-name";

function slicesOf(service: Service, slices: readonly EndpointSlice[]): EndpointSlice[] {
  return slices.filter(
    ({ metadata }) =>
      metadata.namespace === service.metadata.namespace && metadata.labels?.[SERVICE_NAME] === service.metadata.name,
  );
}

/** What the proxy rules translate for UDP. */
export function udpTranslations(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  nodeAddresses: readonly string[],
): UdpTranslations {
  const translations: UdpTranslations = new Map();
  for (const service of services) {
    const ports = (service.spec.ports ?? []).filter(({ protocol }) => protocol === "UDP");
    const addresses = (service.spec.clusterIPs ?? []).filter((address) => address !== "None");
    if (ports.length === 0 || addresses.length === 0) continue;
    const ready = slicesOf(service, slices)
      .flatMap(({ endpoints }) => endpoints)
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses: own }) => own);
    for (const address of [...addresses, ...externalAddressesOf(service)]) {
      for (const { port } of ports) translations.set(`${address}:${port}`, new Set(ready));
    }
    for (const { nodePort } of ports)
      for (const address of nodePort === undefined ? [] : nodeAddresses)
        translations.set(`${address}:${nodePort}`, new Set(ready));
  }
  return translations;
}

/** Whether some address lost an endpoint, or went. */
export function lostEndpoints(before: UdpTranslations, after: UdpTranslations): boolean {
  for (const [address, endpoints] of before) {
    const now = after.get(address);
    if (now === undefined || [...endpoints].some((endpoint) => !now.has(endpoint))) return true;
  }
  return false;
}
