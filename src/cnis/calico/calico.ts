import { defineCni } from "../types.ts";
import { CalicoIpam } from "./ipam.ts";
import { calicoNodeNft } from "./masquerade.ts";
import { calicoNodeOps, isEncapsulating } from "./node.ts";
import { calicoAttachPod } from "./pod.ts";

/** Routed /32 pods, VXLAN or BGP routes between nodes; NetworkPolicy enforced on each pod's own node. */
export const calico = defineCni({
  name: "calico",
  summary: "pods routed by /32, VXLAN or BGP routes between nodes, NetworkPolicy enforced",
  version: "3.30.3",
  defaultPodCidr: "192.168.0.0/16",
  enforcesPolicy: true,
  defaultMode: "vxlan",
  modes: [
    {
      name: "vxlan",
      summary: "every packet between nodes is encapsulated (UDP 4789, VNI 4096)",
      overheadBytes: 50,
    },
    {
      name: "cross-subnet",
      summary: "plain routes inside a node subnet, VXLAN between subnets (VXLANCrossSubnet)",
      overheadBytes: 50,
    },
    {
      name: "direct",
      summary: "no encapsulation: routes as BIRD's full mesh learns them by BGP",
      overheadBytes: 0,
    },
  ],
  dataplane: {
    bridgesPods: false,
    ipam: (nodes, config) =>
      new CalicoIpam(
        nodes.map(({ name }) => name),
        config.podCidr,
        isEncapsulating(config.mode),
      ),
    nodeOps: calicoNodeOps,
    attachPod: calicoAttachPod,
    nodeNft: calicoNodeNft,
  },
});
