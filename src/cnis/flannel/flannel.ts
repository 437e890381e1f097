import { defineCni } from "../types.ts";
import { flannelInstall } from "./install.ts";
import { FlannelIpam } from "./ipam.ts";
import { flannelNodeNft } from "./masquerade.ts";
import { flannelNodeOps } from "./node.ts";
import { flannelAttachPod } from "./pod.ts";

/** A bridge on each node and VXLAN or routes between them; enforces no policy (flannel-io/flannel#2183). */
export const flannel = defineCni({
  name: "flannel",
  summary: "a bridge on each node, a subnet a node, VXLAN or plain routes between nodes; no NetworkPolicy",
  version: "0.27.4",
  defaultPodCidr: "10.244.0.0/16",
  enforcesPolicy: false,
  enforcesAdminPolicy: false,
  defaultMode: "vxlan",
  modes: [
    {
      name: "vxlan",
      summary: "every packet between nodes is encapsulated (UDP 8472, VNI 1)",
      overheadBytes: 50,
      // Nodes' IPv6 addresses are the ends of the IPv6 tunnel, and that header is 20 bytes longer.
      dualStack: { overheadBytes: 70 },
    },
    {
      name: "host-gw",
      summary: "routes through the nodes themselves, which must share one subnet",
      overheadBytes: 0,
      dualStack: { overheadBytes: 0 },
    },
    {
      name: "wireguard",
      summary: "every packet between nodes is encrypted by WireGuard (UDP 51820)",
      overheadBytes: 80,
      // Counted for IPv6 in any case.
      dualStack: { overheadBytes: 80 },
    },
  ],
  dataplane: {
    segment: "node",
    ipam: (nodes, config) =>
      new FlannelIpam(
        nodes.map(({ name }) => name),
        config.podCidr,
      ),
    nodeOps: flannelNodeOps,
    attachPod: flannelAttachPod,
    nodeNft: flannelNodeNft,
    kernel: ({ mode }) => (mode === "wireguard" ? ["wireguard"] : []),
  },
  install: flannelInstall,
});
