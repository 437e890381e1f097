import { INBOUND_PORT, OUTBOUND_PORT, OWN_PORTS } from "./injection.ts";

/** What the sidecar's own connections are marked with: to others, and to its own pod's servers. Istio knows both by the user 1337. */
export const OUTBOUND_MARK = 1337;
export const INBOUND_MARK = 1338;

/** Where Istio's sidecar calls its own pod's servers from (istio.io/latest/docs/ops/deployment/application-requirements). */
export const INBOUND_SOURCE = "127.0.0.6";

/**
 * nftables of a meshed pod's own namespace, as istio-init makes them with iptables (tools/istio-iptables/pkg/capture/run.go): TCP that
 * leaves goes to 15001 of the sidecar, TCP that comes to 15006. What the sidecar sends to itself comes in as from another pod.
 */
export function redirectRules(podAddresses: readonly string[]): string {
  return podAddresses
    .map((address) => {
      const [family, loopback, bracketed] = address.includes(":")
        ? (["ip6", "::1", (ip: string) => `[${ip}]`] as const)
        : (["ip", "127.0.0.1", (ip: string) => ip] as const);
      return `table ${family} istio {
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    iifname "lo" return
    tcp dport { ${OWN_PORTS.join(", ")} } return
    meta l4proto tcp dnat to ${bracketed(address)}:${INBOUND_PORT}
  }
  chain output {
    type nat hook output priority -100; policy accept;
    meta mark ${INBOUND_MARK} return
    meta mark ${OUTBOUND_MARK} oifname "lo" ${family} daddr != ${loopback} meta l4proto tcp dnat to ${bracketed(loopback)}:${INBOUND_PORT}
    meta mark ${OUTBOUND_MARK} return
    oifname "lo" return
    meta l4proto tcp dnat to ${bracketed(loopback)}:${OUTBOUND_PORT}
  }
}
`;
    })
    .join("");
}
