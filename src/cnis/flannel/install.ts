import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../kube/types.ts";
import { ManifestPatcher } from "../manifest-patcher.ts";
import type { CniInstall, InstallConfig, ManifestPatch } from "../types.ts";

const MANIFEST = "flannel-v0.28.4.yaml";
const CONFIG = "ConfigMap kube-flannel/kube-flannel-cfg";
const FLANNELD = { object: "DaemonSet kube-flannel/kube-flannel-ds", container: "kube-flannel" };

/**
 * Bytes that flanneld takes off the option MTU of its backend, which is the outer link's (pkg/backend/vxlan/vxlan_network.go,
 * pkg/backend/wireguard/wireguard_network.go: the latter counts IPv6).
 */
const BACKEND_OVERHEAD_BYTES: Record<string, number> = { vxlan: 50, wireguard: 80 };

/** Whether a plugin's entry is flannel's as the manifest has it. */
function hasDelegate(plugin: unknown): plugin is { delegate: Record<string, unknown> } {
  return isDeepStrictEqual(plugin, { type: "flannel", delegate: { hairpinMode: true, isDefaultGateway: true } });
}

function patch(
  objects: readonly KubeObject[],
  { mode, podCidr, ipv6PodCidr, mtu }: InstallConfig,
): { objects: KubeObject[]; patches: ManifestPatch[] } {
  const patcher = new ManifestPatcher("flannel", objects);
  const netConf = ["data", "net-conf.json"];
  const overheadBytes = BACKEND_OVERHEAD_BYTES[mode];
  patcher.setJson(CONFIG, netConf, `net-conf.json has Network ${podCidr}`, {
    change: (value) => {
      if (value["Network"] !== "10.244.0.0/16") throw patcher.unexpected(`Network is ${String(value["Network"])}`);
      value["Network"] = podCidr;
    },
    why: "flannel's network is the cluster's pod network",
  });
  if (ipv6PodCidr === undefined) {
    // As the option -iface (github.com/flannel-io/flannel, Documentation/configuration.md, "Environment variables").
    patcher.addEnv(
      FLANNELD,
      { name: "FLANNELD_IFACE", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } },
      "a node's link is the one with the address that Kubernetes has: flanneld takes that of the default route, which may be another",
    );
  } else {
    // github.com/flannel-io/flannel, Documentation/configuration.md (Dual-stack).
    patcher.setJson(CONFIG, netConf, `net-conf.json has EnableIPv6 and IPv6Network ${ipv6PodCidr}`, {
      change: (value) => {
        if ("EnableIPv6" in value || "IPv6Network" in value) throw patcher.unexpected("it has an IPv6 network already");
        value["EnableIPv6"] = true;
        value["IPv6Network"] = ipv6PodCidr;
      },
      why: "pods have an address of each family",
    });
  }
  const backend = { Type: mode, ...(overheadBytes === undefined ? {} : { MTU: mtu + overheadBytes }) };
  patcher.setJson(CONFIG, netConf, `net-conf.json has Backend ${JSON.stringify(backend)}`, {
    change: (value) => {
      if (!isDeepStrictEqual(value["Backend"], { Type: "vxlan" }))
        throw patcher.unexpected(`Backend is ${JSON.stringify(value["Backend"])}`);
      value["Backend"] = backend;
    },
    why: `mode ${mode}${overheadBytes === undefined ? "" : ", and the outer MTU that gives pods the lab's"}`,
  });
  // A backend without a device has no MTU of its own: pods get it from the plugin's configuration.
  if (overheadBytes === undefined) {
    patcher.setJson(CONFIG, ["data", "cni-conf.json"], `cni-conf.json has a delegate with mtu ${mtu}`, {
      change: (value) => {
        const plugin = Array.isArray(value["plugins"]) ? (value["plugins"][0] as unknown) : undefined;
        if (!hasDelegate(plugin))
          throw patcher.unexpected("the first plugin of cni-conf.json is not flannel with its delegate");
        plugin.delegate = { ...plugin.delegate, mtu };
      },
      why: "pods have the lab's MTU, also where the nodes' own links would allow another",
    });
  }
  return { objects: patcher.objects, patches: patcher.patches };
}

/** Flannel from its kube-flannel.yml (github.com/flannel-io/flannel, Documentation/kubernetes.md). */
export const flannelInstall: CniInstall = {
  version: "0.28.4",
  enforcesAdminPolicy: false,
  modes: {
    // flannel-io/flannel Documentation/backends.md: the ports of its backends.
    vxlan: { manifest: MANIFEST, kernel: ["vxlan"], ports: [{ protocol: "udp", port: 8472, what: "VXLAN" }] },
    "host-gw": { manifest: MANIFEST, kernel: [], ports: [] },
    wireguard: {
      manifest: MANIFEST,
      kernel: ["wireguard"],
      ports: [{ protocol: "udp", port: 51820, what: "WireGuard" }],
    },
  },
  agent: { namespace: "kube-flannel", daemonSet: "kube-flannel-ds" },
  plugins: ["bridge", "host-local", "portmap"],
  patch,
};
