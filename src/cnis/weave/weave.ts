import * as z from "zod";
import { defineCni } from "../types.ts";
import { weaveInstall } from "./install.ts";
import { WeaveIpam } from "./ipam.ts";
import { weaveNodeNft } from "./masquerade.ts";
import { isEncrypted } from "./ipsec.ts";
import { weaveNodeOps, weaveSegmentEnd } from "./node.ts";
import { weaveAttachPod } from "./pod.ts";
import { weavePolicy } from "./policy.ts";

/**
 * One Ethernet segment over all nodes, its own address allocation, NetworkPolicy by weave-npc, encryption by a shared
 * password (option `encrypted`). From its living fork, github.com/rajch/weave.
 */
export const weave = defineCni({
  name: "weave",
  summary: "one switched network over all nodes, optionally encrypted, NetworkPolicy enforced",
  version: "2.9.0",
  defaultPodCidr: "10.32.0.0/12",
  enforcesPolicy: true,
  enforcesAdminPolicy: false,
  // Weave's own choice is fastdp, and sleeve where the kernel has no Open vSwitch; sleeve runs on every kernel.
  defaultMode: "sleeve",
  // 1376 of 1500 bytes is Weave's documented default (WEAVE_MTU); it leaves room for either encapsulation, encrypted or not.
  modes: [
    {
      name: "sleeve",
      summary: "frames are captured and encapsulated in user space (UDP 6783)",
      overheadBytes: 124,
      dualStack: { lacking: "Weave Net carries IPv4 alone (weaveworks/weave#19)" },
    },
    {
      name: "fastdp",
      summary: "an Open vSwitch datapath in the kernel, VXLAN between nodes (UDP 6784)",
      overheadBytes: 124,
      dualStack: { lacking: "Weave Net carries IPv4 alone (weaveworks/weave#19)" },
    },
  ],
  dataplane: {
    segment: { end: weaveSegmentEnd },
    ipam: (nodes, config) =>
      new WeaveIpam(
        nodes.map(({ name }) => name),
        config.podCidr,
      ),
    nodeOps: weaveNodeOps,
    attachPod: weaveAttachPod,
    nodeNft: weaveNodeNft,
    policy: weavePolicy,
    kernel: ({ options }) => (isEncrypted(options) ? ["esp"] : []),
    lacks: ({ mode, options }) =>
      isEncrypted(options) && mode !== "fastdp"
        ? `the embedded engine has no encryption in user space, as ${mode} has: mode fastdp encrypts in the kernel, by IPsec ESP`
        : undefined,
  },
  options: z.strictObject({ encrypted: z.boolean().default(false) }),
  install: weaveInstall,
});
