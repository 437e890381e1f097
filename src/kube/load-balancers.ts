import type { Service } from "./types.ts";

/** The first address at which a load balancer answers for the Service; undefined while it has none. */
export function serviceAddressOf({ spec, status }: Service): string | undefined {
  return spec.type === "LoadBalancer"
    ? status?.loadBalancer?.ingress?.find(({ ip }) => ip !== undefined)?.ip
    : undefined;
}

/** All at which kube-proxy leads to it beside its cluster IPs: its load balancer's and its externalIPs, as they are written. */
export function externalAddressesOf(service: Service): string[] {
  const { type, externalIPs = [] } = service.spec;
  const balanced = serviceAddressOf(service);
  return type === "ExternalName" ? [] : [...(balanced === undefined ? [] : [balanced]), ...externalIPs];
}
