import type { CniConfig, CniNode } from "../types.ts";
import { tunnelDevices, VXLAN_PORT } from "./node.ts";

/**
 * What Felix writes on a node beside policy. natOutgoing: packets from an address of the pool to one outside all pools take the node's
 * address. VXLAN's own packets are not tracked (felix/rules/static.go, StaticRawPreroutingChain): their source ports are hashes of what they
 * carry, so that each flow would leave two entries more on either node, neither ever replied to. The names are those of Felix's nftables mode,
 * where all stand in the table `ip calico`; here policy has a table of its own, which is replaced more often.
 */
export function calicoNodeNft(_node: CniNode, config: CniConfig): string {
  const { podCidr, ipv6PodCidr } = config;
  const tunnels = tunnelDevices(config.mode);
  const ipv4 = { family: "ip", type: "ipv4_addr", version: "40", devices: tunnels.map((each) => each.ipv4) };
  const ipv6 = { family: "ip6", type: "ipv6_addr", version: "60", devices: tunnels.flatMap((each) => each.ipv6 ?? []) };
  return [
    natTable(ipv4, podCidr),
    rawTable("ip", hasVxlan(ipv4.devices)),
    ...(ipv6PodCidr === undefined ? [] : [natTable(ipv6, ipv6PodCidr), rawTable("ip6", hasVxlan(ipv6.devices))]),
  ].join("");
}

function hasVxlan(devices: readonly string[]): boolean {
  return devices.some((device) => device.startsWith("vxlan"));
}

function rawTable(family: string, isUsed: boolean): string {
  if (!isUsed) return "";
  const chain = (hook: string): string => `
  chain raw-${hook.toUpperCase()} {
    type filter hook ${hook} priority raw; policy accept;
    udp dport ${VXLAN_PORT} notrack
  }`;
  return `table ${family} calico-raw
delete table ${family} calico-raw
table ${family} calico-raw {
  comment "packets that Calico does not track, modelled by cnilab"${chain("prerouting")}${chain("output")}
}
`;
}

function natTable(
  { family, type, version, devices }: { family: string; type: string; version: string; devices: readonly string[] },
  pool: string,
): string {
  // What a node sends into the tunnel with its own address (a Service it calls) takes the tunnel's: the answer has to
  // come back through the tunnel.
  const tunnel = devices
    .map(
      (device) =>
        `\n    oifname "${device}" fib saddr . oif type != local fib saddr type local masquerade fully-random`,
    )
    .join("");
  return `table ${family} calico-nat
delete table ${family} calico-nat
table ${family} calico-nat {
  comment "natOutgoing of Calico, modelled by cnilab"
  set cali${version}all-ipam-pools {
    type ${type}; flags interval
    elements = { ${pool} }
  }
  set cali${version}masq-ipam-pools {
    type ${type}; flags interval
    elements = { ${pool} }
  }
  chain nat-POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    jump nat-cali-nat-outgoing${tunnel}
  }
  chain nat-cali-nat-outgoing {
    ${family} saddr @cali${version}masq-ipam-pools ${family} daddr != @cali${version}all-ipam-pools masquerade fully-random
  }
}
`;
}
