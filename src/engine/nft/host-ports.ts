import { hostPorts } from "../../kube/host-ports.ts";
import type { HostPort } from "../../kube/host-ports.ts";
import { isHostNetwork, podAddresses } from "../../kube/pods.ts";
import type { Pod } from "../../kube/types.ts";
import { familyOf } from "./address-ranges.ts";
import type { Family } from "./address-ranges.ts";
import { block, replaceTable } from "./block.ts";

const NUMBERS = { ip: 4, ip6: 6 } as const;

/** The same name in the tables of both families. */
const TABLE = "cni_hostport";

/**
 * The host ports of the pods on one node as nft commands, as the portmap plugin of containernetworking/plugins has them: packets
 * to an address of the node are sent on to the pod's address of the same family; one that comes to itself that way gets an
 * answer from the node. A family without any has no table; a pod on the node's own network listens there itself.
 */
export function hostPortRuleset(pods: readonly Pod[]): string {
  return (["ip", "ip6"] as const).map((family) => tableOf(pods, family)).join("");
}

function tableOf(pods: readonly Pod[], family: Family): string {
  const mappings = pods
    .filter((pod) => !isHostNetwork(pod))
    .flatMap((pod) => {
      const address = podAddresses(pod).find((each) => familyOf(each) === family);
      const isMeant = (port: HostPort): boolean => port.family === undefined || port.family === NUMBERS[family];
      return address === undefined
        ? []
        : hostPorts(pod.spec)
            .filter(isMeant)
            .map((port) => ({ ...port, address }));
    });
  if (mappings.length === 0) return "";
  const rules = mappings.map(({ address, hostPort, containerPort, protocol, hostIP }) => {
    const at = hostIP === "0.0.0.0" ? "" : `${family} daddr ${hostIP} `;
    const target = family === "ip" ? address : `[${address}]`;
    return `${at}${protocol.toLowerCase()} dport ${hostPort} dnat to ${target}:${containerPort}`;
  });
  const own = new Set(
    mappings.map(({ address }) => `${family} saddr ${address} ${family} daddr ${address} masquerade`),
  );
  const local = "fib daddr type local jump hostports";
  const body = [
    'comment "host ports as the portmap plugin has them, modelled by cnilab"',
    ...block("chain hostports", rules.toSorted()),
    ...block("chain prerouting", ["type nat hook prerouting priority -100; policy accept;", local]),
    ...block("chain output", ["type nat hook output priority -100; policy accept;", local]),
    ...block("chain masquerading", ["type nat hook postrouting priority 100; policy accept;", ...[...own].toSorted()]),
  ];
  return `${replaceTable(`${family} ${TABLE}`, body).join("\n")}\n`;
}
