import { describe, expect, it } from "vitest";
import { flannelInstall } from "../../../../src/cnis/flannel/install.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { configMap, daemonSet, envOf, installConfig, whatIsPatched } from "../install-world.ts";

function flanneld(env: Record<string, string> = {}): KubeObject {
  return daemonSet("kube-flannel-ds", [{ name: "kube-flannel", env }], "kube-flannel");
}

function manifest(
  netConf: object = { Network: "10.244.0.0/16", EnableNFTables: false, Backend: { Type: "vxlan" } },
): KubeObject[] {
  const delegate = { hairpinMode: true, isDefaultGateway: true };
  return [
    configMap("kube-flannel-cfg", "kube-flannel", {
      "cni-conf.json": JSON.stringify({ name: "cbr0", plugins: [{ type: "flannel", delegate }, { type: "portmap" }] }),
      "net-conf.json": JSON.stringify(netConf),
    }),
    flanneld(),
  ];
}

function configs(objects: readonly KubeObject[]): { net: unknown; delegate: unknown } {
  const data = objects[0]?.["data"] as Record<string, string>;
  const { plugins } = JSON.parse(data["cni-conf.json"] ?? "") as { plugins: { delegate: unknown }[] };
  return { net: JSON.parse(data["net-conf.json"] ?? ""), delegate: plugins[0]?.delegate };
}

describe("flannel's manifest", () => {
  it.each([
    ["vxlan", { Type: "vxlan", MTU: 1450 }],
    ["wireguard", { Type: "wireguard", MTU: 1480 }],
  ])("in mode %s tells flanneld the outer MTU that leaves pods theirs", (mode, backend) => {
    const { objects } = flannelInstall.patch(manifest(), installConfig({ mode, mtu: 1400, podCidr: "10.20.0.0/16" }));
    expect(configs(objects)).toEqual({
      net: { Network: "10.20.0.0/16", EnableNFTables: false, Backend: backend },
      delegate: { hairpinMode: true, isDefaultGateway: true },
    });
  });

  it("in mode host-gw, which has no device of its own, tells the bridge plugin", () => {
    const { objects } = flannelInstall.patch(manifest(), installConfig({ mode: "host-gw", mtu: 1400 }));
    expect(configs(objects)).toEqual({
      net: { Network: "10.244.0.0/16", EnableNFTables: false, Backend: { Type: "host-gw" } },
      delegate: { hairpinMode: true, isDefaultGateway: true, mtu: 1400 },
    });
  });

  it("keeps its own network where that is the cluster's", () => {
    expect(whatIsPatched(flannelInstall, manifest(), installConfig({ mode: "vxlan", mtu: 1450 }))).toEqual([
      'DaemonSet kube-flannel/kube-flannel-ds: container kube-flannel has FLANNELD_IFACE={"fieldRef":{"fieldPath":"status.hostIP"}}',
      'ConfigMap kube-flannel/kube-flannel-cfg: net-conf.json has Backend {"Type":"vxlan","MTU":1500}',
    ]);
  });

  it("tells flanneld which link, unless somebody has", () => {
    const [config] = manifest() as [KubeObject];
    expect(() => flannelInstall.patch([config, flanneld({ FLANNELD_IFACE: "eth1" })], installConfig({}))).toThrow(
      expect.objectContaining({ code: "CNI_MANIFEST_UNEXPECTED" }),
    );
    const { objects } = flannelInstall.patch(manifest(), installConfig({ mode: "vxlan", ipv6PodCidr: "fd00:20::/56" }));
    expect(envOf(objects, "kube-flannel")).toEqual({});
  });

  it("has an IPv6 network beside its own where the cluster has both families", () => {
    const config = installConfig({ mode: "vxlan", mtu: 1430, ipv6PodCidr: "fd00:20::/56" });
    expect(configs(flannelInstall.patch(manifest(), config).objects).net).toMatchObject({
      Network: "10.244.0.0/16",
      EnableIPv6: true,
      IPv6Network: "fd00:20::/56",
      Backend: { Type: "vxlan", MTU: 1480 },
    });
    const other = manifest({ Network: "10.244.0.0/16", EnableIPv6: true, Backend: { Type: "vxlan" } });
    expect(() => flannelInstall.patch(other, config)).toThrow(
      expect.objectContaining({ code: "CNI_MANIFEST_UNEXPECTED" }),
    );
  });

  it.each([
    ["network", { Network: "10.0.0.0/8", Backend: { Type: "vxlan" } }],
    ["backend", { Network: "10.244.0.0/16", Backend: { Type: "vxlan", DirectRouting: true } }],
  ])("is refused where its %s is another", (_, netConf) => {
    expect(() => flannelInstall.patch(manifest(netConf), installConfig({}))).toThrow(
      expect.objectContaining({ code: "CNI_MANIFEST_UNEXPECTED" }),
    );
  });

  it("is refused where its plugin delegates otherwise", () => {
    const other = [
      configMap("kube-flannel-cfg", "kube-flannel", {
        ...(manifest()[0]?.["data"] as Record<string, string>),
        "cni-conf.json": JSON.stringify({ plugins: [{ type: "flannel", delegate: { mtu: 9000 } }] }),
      }),
      flanneld(),
    ];
    expect(() => flannelInstall.patch(other, installConfig({ mode: "host-gw" }))).toThrow(
      expect.objectContaining({ code: "CNI_MANIFEST_UNEXPECTED" }),
    );
  });
});
