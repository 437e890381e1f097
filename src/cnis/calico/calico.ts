import { defineCni } from "../types.ts";
import { calicoInstall } from "./install.ts";
import { CalicoIpam } from "./ipam.ts";
import { calicoNodeNft } from "./node-nft.ts";
import { calicoNodeOps, tunnelDevices } from "./node.ts";
import { CALICO_POD_NAMESPACE, calicoAttachPod } from "./pod.ts";
import { calicoPolicy } from "./policy.ts";

/** Routed /32 pods, VXLAN or BGP routes between nodes; NetworkPolicy enforced on each pod's own node. */
export const calico = defineCni({
  name: "calico",
  summary: "pods routed by /32, VXLAN or BGP routes between nodes, NetworkPolicy enforced",
  version: "3.30.3",
  defaultPodCidr: "192.168.0.0/16",
  enforcesPolicy: true,
  enforcesAdminPolicy: true,
  defaultMode: "vxlan",
  modes: [
    {
      name: "vxlan",
      summary: "every packet between nodes is encapsulated (UDP 4789, VNI 4096)",
      overheadBytes: 50,
      // Nodes' IPv6 addresses are the ends of the IPv6 tunnel, and that header is 20 bytes longer.
      dualStack: { overheadBytes: 70 },
    },
    {
      name: "cross-subnet",
      summary: "plain routes inside a node subnet, VXLAN between subnets (VXLANCrossSubnet)",
      overheadBytes: 50,
      dualStack: { overheadBytes: 70 },
    },
    {
      name: "direct",
      summary: "no encapsulation: routes as BIRD's full mesh learns them by BGP",
      overheadBytes: 0,
      dualStack: { overheadBytes: 0 },
    },
    {
      name: "ipip",
      summary: "every packet between nodes is encapsulated in IP, its routes learnt by BGP",
      overheadBytes: 20,
      dualStack: { lacking: "IP in IP carries IPv4 alone" },
    },
    {
      name: "wireguard",
      summary: "traffic between pods of different nodes is encrypted by WireGuard (UDP 51820)",
      overheadBytes: 60,
      dualStack: { lacking: "its IPv6 tunnel is a second one, which is not set up here" },
    },
  ],
  dataplane: {
    segment: "none",
    ipam: (nodes, config) =>
      new CalicoIpam(
        nodes.map(({ name }) => name),
        config.podCidr,
        tunnelDevices(config.mode).length,
      ),
    nodeOps: calicoNodeOps,
    podNamespaceOps: CALICO_POD_NAMESPACE,
    attachPod: calicoAttachPod,
    nodeNft: calicoNodeNft,
    policy: calicoPolicy,
    kernel: ({ mode }) => (mode === "ipip" || mode === "wireguard" ? [mode] : []),
  },
  install: calicoInstall,
});
