import type { KubeObject } from "../../kube/types.ts";
import { ManifestPatcher } from "../manifest-patcher.ts";
import type { CniInstall, InstallConfig, ManifestPatch } from "../types.ts";

const VERSION = "2.9.0";
const MANIFEST = `weave-v${VERSION}.yaml`;

// weave.works "Installing Weave Net", "Systems and ports": control, sleeve and fast data path.
const PORTS = [
  { protocol: "tcp", port: 6783, what: "Weave's control connections" },
  { protocol: "udp", port: 6783, what: "Weave's sleeve" },
  { protocol: "udp", port: 6784, what: "Weave's fast data path" },
] as const;

const DAEMON_SET = "DaemonSet kube-system/weave-net";
const ROUTER = { object: DAEMON_SET, container: "weave" };

const CONTAINERS = [
  { list: "initContainers", name: "weave-init", image: "rajchaudhuri/weave-kube" },
  { list: "containers", name: "weave", image: "rajchaudhuri/weave-kube" },
  { list: "containers", name: "weave-npc", image: "rajchaudhuri/weave-npc" },
];

const SECRET = { name: "weave-passwd", key: "weave-passwd" };

/** The manifest in the source tree names no release; its makers' release job puts the version in, as this does. */
function pinImages(patcher: ManifestPatcher): void {
  for (const { list, name, image } of CONTAINERS) {
    const container = ["spec", "template", "spec", list, { name }];
    patcher.set(DAEMON_SET, [...container, "image"], {
      from: `${image}:latest`,
      to: `${image}:${VERSION}`,
      why: "a pinned release",
    });
    patcher.set(DAEMON_SET, [...container, "imagePullPolicy"], {
      from: "Always",
      to: "IfNotPresent",
      why: "images are on the nodes already; there may be no registry",
    });
  }
}

function encrypt(patcher: ManifestPatcher, password: string): void {
  patcher.addObject(
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: SECRET.name, namespace: "kube-system" },
      type: "Opaque",
      stringData: { [SECRET.key]: password },
    },
    "option encrypted: the password that all nodes derive their session keys from",
  );
  patcher.addEnv(
    ROUTER,
    { name: "WEAVE_PASSWORD", valueFrom: { secretKeyRef: SECRET } },
    "option encrypted: traffic between nodes is encrypted",
  );
}

function patch(
  objects: readonly KubeObject[],
  { mode, podCidr, mtu, options, password }: InstallConfig,
): { objects: KubeObject[]; patches: ManifestPatch[] } {
  const patcher = new ManifestPatcher("weave", objects);
  pinImages(patcher);
  patcher.addEnv(
    ROUTER,
    { name: "IPALLOC_RANGE", value: podCidr },
    "Weave allocates addresses from the cluster's pod network",
  );
  patcher.addEnv(
    ROUTER,
    { name: "WEAVE_MTU", value: String(mtu) },
    "pods have the lab's MTU; sleeve would give them 65535",
  );
  if (mode === "sleeve") {
    patcher.addEnv(
      ROUTER,
      { name: "WEAVE_NO_FASTDP", value: "1" },
      "mode sleeve, also where the kernel has Open vSwitch",
    );
  }
  if (options["encrypted"] === true) encrypt(patcher, password);
  return { objects: patcher.objects, patches: patcher.patches };
}

/** Weave Net from the manifest in its fork's source tree (website/kubernetes/kube-addon.md there tells the variables). */
export const weaveInstall: CniInstall = {
  version: VERSION,
  enforcesAdminPolicy: false,
  modes: {
    sleeve: { manifest: MANIFEST, kernel: [], ports: PORTS },
    // Encrypted, its tunnels are IPsec's: ESP in transport mode with AES-GCM (docs/fastdp.md in Weave's source).
    fastdp: { manifest: MANIFEST, kernel: ["openvswitch", "vxlan"], ports: PORTS, encryptedKernel: ["esp"] },
  },
  agent: { namespace: "kube-system", daemonSet: "weave-net" },
  // Weave brings the plugin that makes a pod's link; its configuration names portmap beside it.
  plugins: ["portmap"],
  // With the first policy of egress weave-npc makes what no rule has let out be dropped (npc/controller.go, defaultEgressDrop).
  lastingRules: [/^iptables filter -A WEAVE-NPC-EGRESS .*! --mark 0x40000\/0x40000 -j (NFLOG|DROP)\b/],
  patch,
};
