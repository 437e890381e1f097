import type { Service } from "./types.ts";

/** The addresses at which a load balancer answers for the Service, in the order of its status: none while it has none. */
export function serviceAddressesOf({ spec, status }: Service): string[] {
  return spec.type === "LoadBalancer" ? (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []) : [];
}

/** All at which kube-proxy leads to it beside its cluster IPs: its load balancer's and its externalIPs, as they are written. */
export function externalAddressesOf(service: Service): string[] {
  const { type, externalIPs = [] } = service.spec;
  return type === "ExternalName" ? [] : [...serviceAddressesOf(service), ...externalIPs];
}
