import { describe, expect, it } from "vitest";
import { calicoInstall } from "../../../../src/cnis/calico/install.ts";
import { ManifestPatcher } from "../../../../src/cnis/manifest-patcher.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { configMap, daemonSet, envOf, installConfig } from "../install-world.ts";

function manifest(ipip: string, vxlan: string): KubeObject[] {
  return [
    configMap("calico-config", "kube-system", { veth_mtu: "0", calico_backend: ipip === "Never" ? "vxlan" : "bird" }),
    daemonSet("calico-node", [
      { name: "install-cni", init: true },
      { name: "calico-node", env: { CALICO_IPV4POOL_IPIP: ipip, CALICO_IPV4POOL_VXLAN: vxlan } },
    ]),
  ];
}

/** The pool settings of calico-vxlan.yaml and of calico.yaml. */
const upstream = {
  "calico-vxlan-v3.28.5.yaml": manifest("Never", "CrossSubnet"),
  "calico-bgp-v3.28.5.yaml": manifest("Always", "Never"),
} as Record<string, KubeObject[]>;

function patched(mode: string): ReturnType<typeof calicoInstall.patch> {
  const objects = upstream[calicoInstall.modes[mode]?.manifest ?? ""] ?? [];
  return calicoInstall.patch(objects, installConfig({ mode, podCidr: "10.20.0.0/16", mtu: 1400 }));
}

describe("calico's manifest", () => {
  it.each([
    ["vxlan", { CALICO_IPV4POOL_IPIP: "Never", CALICO_IPV4POOL_VXLAN: "Always" }],
    ["cross-subnet", { CALICO_IPV4POOL_IPIP: "Never", CALICO_IPV4POOL_VXLAN: "CrossSubnet" }],
    ["direct", { CALICO_IPV4POOL_IPIP: "Never", CALICO_IPV4POOL_VXLAN: "Never" }],
    ["ipip", { CALICO_IPV4POOL_IPIP: "Always", CALICO_IPV4POOL_VXLAN: "Never" }],
    [
      "wireguard",
      { CALICO_IPV4POOL_IPIP: "Never", CALICO_IPV4POOL_VXLAN: "CrossSubnet", FELIX_WIREGUARDENABLED: "true" },
    ],
  ])("in mode %s makes a pool with its encapsulation", (mode, env) => {
    expect(envOf(patched(mode).objects, "calico-node")).toEqual({
      CALICO_IPV4POOL_CIDR: "10.20.0.0/16",
      IP_AUTODETECTION_METHOD: "kubernetes-internal-ip",
      FELIX_FELIXHOSTNAME: { fieldRef: { fieldPath: "spec.nodeName" } },
      ...env,
    });
  });

  it("gets the pod network and the MTU, and every change has its reason", () => {
    const { objects, patches } = patched("cross-subnet");
    expect(objects[0]?.["data"]).toEqual({ veth_mtu: "1400", calico_backend: "vxlan" });
    expect(patches.map(({ what }) => what)).toEqual([
      "DaemonSet kube-system/calico-node: container calico-node has CALICO_IPV4POOL_CIDR=10.20.0.0/16",
      "DaemonSet kube-system/calico-node: container calico-node has IP_AUTODETECTION_METHOD=kubernetes-internal-ip",
      'DaemonSet kube-system/calico-node: container calico-node has FELIX_FELIXHOSTNAME={"fieldRef":{"fieldPath":"spec.nodeName"}}',
      "ConfigMap kube-system/calico-config: .data.veth_mtu is 1400",
    ]);
    expect(patches.every(({ why }) => why !== "")).toBe(true);
  });

  it.each([
    ["vxlan", "CrossSubnet", "Always"],
    ["cross-subnet", "CrossSubnet", "CrossSubnet"],
    ["direct", "Never", "Never"],
  ])("in mode %s gives pods both families where the cluster has them", (mode, before, after) => {
    const ipam = { type: "calico-ipam" };
    const text = JSON.stringify({ plugins: [{ type: "calico", mtu: 0, ipam }, { type: "portmap" }] });
    const [config, ...others] = structuredClone(upstream[calicoInstall.modes[mode]?.manifest ?? ""] ?? []);
    const data = config?.["data"] as Record<string, string>;
    data["cni_network_config"] = text.replace('"mtu":0', '"mtu":__CNI_MTU__');
    const agent = { object: "DaemonSet kube-system/calico-node", container: "calico-node" };
    const manifest = new ManifestPatcher("calico", [config as KubeObject, ...others]);
    manifest.addEnv(agent, { name: "FELIX_IPV6SUPPORT", value: "false" }, "upstream");
    manifest.addEnv(agent, { name: "CALICO_IPV6POOL_VXLAN", value: before }, "upstream");
    const { objects } = calicoInstall.patch(
      manifest.objects,
      installConfig({ mode, podCidr: "10.20.0.0/16", ipv6PodCidr: "fd00:20::/56", mtu: 1400 }),
    );
    expect(envOf(objects, "calico-node")).toMatchObject({
      CALICO_IPV6POOL_CIDR: "fd00:20::/56",
      CALICO_IPV6POOL_VXLAN: after,
      CALICO_IPV6POOL_NAT_OUTGOING: "true",
      FELIX_IPV6SUPPORT: "true",
      FELIX_VXLANMTUV6: { configMapKeyRef: { name: "calico-config", key: "veth_mtu" } },
      IP6: "autodetect",
      IP6_AUTODETECTION_METHOD: "kubernetes-internal-ip",
    });
    const { cni_network_config: written = "" } = (objects[0]?.["data"] ?? {}) as Record<string, string>;
    expect(written).toContain('"mtu": __CNI_MTU__');
    expect(JSON.parse(written.replace("__CNI_MTU__", "1400"))).toMatchObject({
      plugins: [{ ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" } }, { type: "portmap" }],
    });
  });

  it("is refused where its pool is set otherwise", () => {
    const other = manifest("Never", "Always");
    expect(() => calicoInstall.patch(other, installConfig({ mode: "cross-subnet" }))).toThrow(
      expect.objectContaining({ code: "CNI_MANIFEST_UNEXPECTED" }),
    );
  });
});
