import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../kube/types.ts";
import { ManifestPatcher } from "../manifest-patcher.ts";
import type { CniInstall, InstallConfig, ManifestPatch } from "../types.ts";

const VXLAN_MANIFEST = "calico-vxlan-v3.28.5.yaml";
const BGP_MANIFEST = "calico-bgp-v3.28.5.yaml";

// docs.tigera.io/calico/3.28/getting-started/kubernetes/requirements, "Network requirements".
const BGP = { protocol: "tcp", port: 179, what: "BGP" } as const;
const VXLAN = { protocol: "udp", port: 4789, what: "VXLAN" } as const;
const WIREGUARD = { protocol: "udp", port: 51820, what: "WireGuard" } as const;

const NODE = { object: "DaemonSet kube-system/calico-node", container: "calico-node" };

/** What each mode changes in its manifest: calico-vxlan.yaml comes with CrossSubnet, calico.yaml with IPIP Always. */
const modePatches: Record<string, (patcher: ManifestPatcher) => void> = {
  vxlan: (patcher) =>
    patcher.setEnv(NODE, "CALICO_IPV4POOL_VXLAN", {
      from: "CrossSubnet",
      to: "Always",
      why: "mode vxlan: every packet between nodes is encapsulated",
    }),
  // The other modes check what they rely on all the same: a value that is not there is an error, not a surprise.
  "cross-subnet": (patcher) =>
    patcher.setEnv(NODE, "CALICO_IPV4POOL_VXLAN", {
      from: "CrossSubnet",
      to: "CrossSubnet",
      why: "mode cross-subnet",
    }),
  direct: (patcher) =>
    patcher.setEnv(NODE, "CALICO_IPV4POOL_IPIP", {
      from: "Always",
      to: "Never",
      why: "mode direct: plain routes, as BIRD's mesh learns them",
    }),
  ipip: (patcher) => patcher.setEnv(NODE, "CALICO_IPV4POOL_IPIP", { from: "Always", to: "Always", why: "mode ipip" }),
  wireguard: (patcher) =>
    patcher.addEnv(
      NODE,
      { name: "FELIX_WIREGUARDENABLED", value: "true" },
      "mode wireguard: traffic between pods of different nodes is encrypted",
    ),
};

/** How each mode encapsulates IPv6: calico-vxlan.yaml comes with CrossSubnet, calico.yaml, for plain routes, with Never. */
const IPV6_POOL_VXLAN: Record<string, { from: string; to: string }> = {
  vxlan: { from: "CrossSubnet", to: "Always" },
  "cross-subnet": { from: "CrossSubnet", to: "CrossSubnet" },
  direct: { from: "Never", to: "Never" },
};

/** docs.tigera.io/calico/3.28/networking/ipam/ipv6 (Enable dual stack, manifest). */
function patchDualStack(patcher: ManifestPatcher, mode: string, ipv6PodCidr: string): void {
  const both = "pods have an address of each family";
  patcher.setJson("ConfigMap kube-system/calico-config", ["data", "cni_network_config"], "IPAM assigns both families", {
    // A placeholder stands in it where JSON has a number.
    placeholder: "__CNI_MTU__",
    change: (value) => {
      const plugin = Array.isArray(value["plugins"]) ? (value["plugins"][0] as Record<string, unknown>) : undefined;
      if (plugin === undefined || !isDeepStrictEqual(plugin["ipam"], { type: "calico-ipam" }))
        throw patcher.unexpected("the first plugin of cni_network_config is not calico with calico-ipam");
      plugin["ipam"] = { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" };
    },
    why: both,
  });
  patcher.setEnv(NODE, "FELIX_IPV6SUPPORT", { from: "false", to: "true", why: "Felix writes IPv6 rules and routes" });
  const pool = IPV6_POOL_VXLAN[mode];
  if (pool !== undefined) {
    patcher.setEnv(NODE, "CALICO_IPV6POOL_VXLAN", { ...pool, why: `mode ${mode}: for IPv6 what it is for IPv4` });
  }
  const variables = [
    ["CALICO_IPV6POOL_CIDR", ipv6PodCidr, "the IPv6 pool is the cluster's pod network"],
    ["CALICO_IPV6POOL_NAT_OUTGOING", "true", "what leaves the pod network is masqueraded, as IPv4 is"],
    ["IP6", "autodetect", "nodes have an IPv6 address, which tunnels and routes need"],
    ["IP6_AUTODETECTION_METHOD", "kubernetes-internal-ip", "as for IPv4, the one that Kubernetes has"],
  ] as const;
  for (const [name, value, why] of variables) patcher.addEnv(NODE, { name, value }, why);
  patcher.addEnv(
    NODE,
    { name: "FELIX_VXLANMTUV6", valueFrom: { configMapKeyRef: { name: "calico-config", key: "veth_mtu" } } },
    "the IPv6 tunnel has the pods' MTU, as the IPv4 one",
  );
}

function patch(
  objects: readonly KubeObject[],
  { mode, podCidr, ipv6PodCidr, mtu }: InstallConfig,
): { objects: KubeObject[]; patches: ManifestPatch[] } {
  const patcher = new ManifestPatcher("calico", objects);
  modePatches[mode]?.(patcher);
  patcher.addEnv(
    NODE,
    { name: "CALICO_IPV4POOL_CIDR", value: podCidr },
    "the address pool is the cluster's pod network, which calico-node finds out by itself on kubeadm clusters alone",
  );
  patcher.addEnv(
    NODE,
    { name: "IP_AUTODETECTION_METHOD", value: "kubernetes-internal-ip" },
    "a node's address is the one that Kubernetes has, also where it has several links: the first that is found may be any",
  );
  patcher.addEnv(
    NODE,
    { name: "FELIX_FELIXHOSTNAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
    "a machine's hostname need not be its node's name, which Felix goes by; upstream's image sets it from NODENAME when it starts",
  );
  if (ipv6PodCidr !== undefined) patchDualStack(patcher, mode, ipv6PodCidr);
  patcher.set("ConfigMap kube-system/calico-config", ["data", "veth_mtu"], {
    from: "0",
    to: String(mtu),
    why: "pods and tunnels have the lab's MTU, also where the nodes' own links would allow another",
  });
  return { objects: patcher.objects, patches: patcher.patches };
}

/**
 * Calico from the manifests of its "self-managed, 50 nodes or less" installation
 * (docs.tigera.io/calico/3.28/getting-started/kubernetes/self-managed-onprem/onpremises). Its cni image brings the
 * reference plugins that its configuration names.
 */
export const calicoInstall: CniInstall = {
  version: "3.28.5",
  // AdminNetworkPolicy came with 3.29, BaselineAdminNetworkPolicy with 3.30, ClusterNetworkPolicy, in their place, with 3.32.
  enforcesAdminPolicy: false,
  modes: {
    vxlan: { manifest: VXLAN_MANIFEST, kernel: ["vxlan"], ports: [VXLAN] },
    "cross-subnet": { manifest: VXLAN_MANIFEST, kernel: ["vxlan"], ports: [VXLAN] },
    direct: { manifest: BGP_MANIFEST, kernel: [], ports: [BGP] },
    ipip: { manifest: BGP_MANIFEST, kernel: ["ipip"], ports: [BGP] },
    // Routes and, for what a node itself sends to pods, the tunnel are those of cross-subnet.
    wireguard: { manifest: VXLAN_MANIFEST, kernel: ["vxlan", "wireguard"], ports: [VXLAN, WIREGUARD] },
  },
  agent: { namespace: "kube-system", daemonSet: "calico-node" },
  plugins: [],
  patch,
};
