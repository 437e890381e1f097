import { hostPorts } from "../../kube/host-ports.ts";
import { isHostNetwork, podAddresses } from "../../kube/pods.ts";
import type { Pod } from "../../kube/types.ts";
import { familyOf } from "./address-ranges.ts";
import { block, replaceTable } from "./block.ts";

/** Family and name of the table. */
const TABLE = "ip cni_hostport";

/**
 * The host ports of the pods on one node as nft commands, as the portmap plugin of containernetworking/plugins has them:
 * packets to an address of the node are sent on to the pod; one that comes to itself that way gets an answer from the
 * node. Empty where no pod asks for one; a pod on the node's own network listens there itself. IPv4 alone.
 */
export function hostPortRuleset(pods: readonly Pod[]): string {
  const mappings = pods
    .filter((pod) => !isHostNetwork(pod))
    .flatMap((pod) => {
      const address = podAddresses(pod).find((each) => familyOf(each) === "ip");
      return address === undefined ? [] : hostPorts(pod.spec).map((port) => ({ ...port, address }));
    });
  if (mappings.length === 0) return "";
  const rules = mappings.map(({ address, hostPort, containerPort, protocol, hostIP }) => {
    const at = hostIP === "0.0.0.0" ? "" : `ip daddr ${hostIP} `;
    return `${at}${protocol.toLowerCase()} dport ${hostPort} dnat to ${address}:${containerPort}`;
  });
  const own = new Set(mappings.map(({ address }) => `ip saddr ${address} ip daddr ${address} masquerade`));
  const local = "fib daddr type local jump hostports";
  const body = [
    'comment "host ports as the portmap plugin has them, modelled by cnilab"',
    ...block("chain hostports", rules.toSorted()),
    ...block("chain prerouting", ["type nat hook prerouting priority -100; policy accept;", local]),
    ...block("chain output", ["type nat hook output priority -100; policy accept;", local]),
    ...block("chain masquerading", ["type nat hook postrouting priority 100; policy accept;", ...[...own].toSorted()]),
  ];
  return `${replaceTable(TABLE, body).join("\n")}\n`;
}
