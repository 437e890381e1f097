import { describe, expect, test } from "vitest";
import type { Pod, Service } from "../../../../../src/kube/types.ts";
import { readNode, residue, tokensOf } from "../../../../../src/providers/real/reset/node-state.ts";
import { scriptedAgents } from "../../../../fixtures/scripted-agents.ts";

test("a node's facts are its rules by table, tables, routes and links, without counters and numbers", async () => {
  const printed: Record<string, string> = {
    "iptables-save":
      "# Generated\n*nat\n-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:40911\nCOMMIT\n*filter\n:FORWARD DROP [5:300]\n:cali-x - [0:0]\n-A FORWARD -j cali-x\nCOMMIT\n",
    "ip6tables-save": "",
    "nft list tables": "table ip kube-proxy\n",
    "ip -4 route show table all": "10.0.0.2 dev cali1 scope link \n",
    "ip -6 route show table all":
      "fd00:1::2 dev cali1 metric 1024 pref medium\nfe80::/64 dev cali1 proto kernel metric 256 pref medium\nlocal fe80::1 dev cali1 table local\nmulticast ff00::/8 dev cali1 table local\n",
    "ip -o link":
      "1: lo: <LOOPBACK,UP> mtu 65536\n7: cali1@if3: <BROADCAST,UP,LOWER_UP> mtu 1450\n8: eth9: <BROADCAST> mtu 1500\n",
  };
  const agents = scriptedAgents({ exec: (_place, argv) => printed[argv.join(" ")] ?? "" });
  expect(await readNode(agents, "one")).toEqual([
    "iptables filter :FORWARD DROP",
    "iptables filter :cali-x -",
    "iptables filter -A FORWARD -j cali-x",
    "nftables table ip kube-proxy",
    "route 10.0.0.2 dev cali1 scope link",
    "route6 fd00:1::2 dev cali1 metric 1024 pref medium",
    "link lo up",
    "link cali1 up",
    "link eth9 down",
  ]);
});

describe("what a lab left on a node", () => {
  const pod = { spec: { containers: [] }, status: { podIP: "10.0.0.2" }, metadata: { name: "p" } } as unknown as Pod;
  const hostPod = { ...pod, spec: { ...pod.spec, hostNetwork: true }, status: { podIP: "172.18.0.2" } } as Pod;
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "kube-system", name: "kube-dns" },
    spec: { clusterIP: "10.96.0.10" },
  } as Service;
  const route = "route 10.0.0.2 dev cali1 scope link";

  test("is explained by pods and Services that are there now, their interfaces known by routes", () => {
    const tokens = tokensOf([pod, hostPod], [service], [route, "route 10.0.0.9 dev cali9 scope link"]);
    expect([...tokens].toSorted()).toEqual([
      "10.0.0.2",
      "10.96.0.10",
      "cali1",
      "cnilab-system",
      "kube-system/kube-dns",
    ]);
    const extra = [
      route,
      "link cali1 up",
      "iptables filter -A cali-to-wl-dispatch -o cali1 -g cali-tw-cali1",
      "iptables filter :cali-tw-cali1 -",
      "iptables filter -A cali-tw-cali1 -j DROP",
      'iptables nat -A KUBE-SERVICES -d 10.96.0.10/32 -m comment --comment "kube-system/kube-dns:dns" -j KUBE-SVC-1',
    ];
    expect(residue([], extra, tokens)).toEqual({ extra: [], missing: [] });
  });

  test("is explained by IPv6 addresses, too", () => {
    const both = { ...pod, status: { podIPs: [{ ip: "10.0.0.2" }, { ip: "fd00:1::2" }] } } as unknown as Pod;
    const two = {
      ...service,
      spec: { clusterIP: "10.96.0.10", clusterIPs: ["10.96.0.10", "fd00:96::a"] },
    } as unknown as Service;
    const own = "route6 fd00:1::2 dev cali1 metric 1024 pref medium";
    const tokens = tokensOf([both], [two], [own]);
    expect(tokens).toContain("cali1");
    const left = "route6 fd00:1::3 dev cali3 metric 1024 pref medium";
    const extra = [own, "ip6tables nat -A KUBE-SERVICES -d fd00:96::a/128 -j KUBE-SVC-6", left];
    expect(residue([], extra, tokens)).toEqual({ extra: [left], missing: [] });
    expect(residue([own], [], new Set())).toEqual({ extra: [], missing: [] });
  });

  test("is what nothing explains, and what was there before and is not", () => {
    const before = ["iptables filter -A FORWARD -j ACCEPT", "route default via 172.18.0.1 dev eth0", "link eth0 up"];
    const now = [
      "iptables filter -A INPUT -s 10.9.9.9/32 -j DROP",
      "route default via 172.18.0.1 dev eth0",
      "link eth0 down",
    ];
    expect(residue(before, now, new Set(["10.0.0.2"]))).toEqual({
      extra: ["iptables filter -A INPUT -s 10.9.9.9/32 -j DROP", "link eth0 down"],
      missing: ["iptables filter -A FORWARD -j ACCEPT", "link eth0 up"],
    });
  });

  test("is nothing of pods and Services of before that are gone", () => {
    const before = [
      "link cali1 up",
      route,
      "iptables filter :cali-tw-cali1 -",
      "iptables filter -A cali-tw-cali1 -j DROP",
      "iptables filter -A cali-to-wl-dispatch -o cali1 -g cali-tw-cali1",
    ];
    expect(residue(before, [], new Set())).toEqual({ extra: [], missing: [] });
  });

  test("is not that BIRD has come to announce a node's block in place of its pods, or the other way round", () => {
    const way = "via 172.28.0.4 dev eth0 proto bird";
    const pods = [`route 192.168.189.64 ${way}`, `route 192.168.189.65 ${way}`];
    const block = [`route 192.168.189.64/26 ${way}`];
    expect(residue(pods, block, new Set())).toEqual({ extra: [], missing: [] });
    expect(residue(block, pods, new Set())).toEqual({ extra: [], missing: [] });
    expect(residue([...block, ...pods], block, new Set())).toEqual({ extra: [], missing: [] });
    const way6 = "via fd9c:9209:2730:555c::4 dev eth0 proto bird metric 1024 pref medium";
    const pods6 = [`route6 fd00:10:244:5f::40 ${way6}`, `route6 fd00:10:244:5f::41 ${way6}`];
    const block6 = [`route6 fd00:10:244:5f::40/122 ${way6}`];
    expect(residue(pods6, block6, new Set())).toEqual({ extra: [], missing: [] });
    expect(residue(block6, pods6, new Set())).toEqual({ extra: [], missing: [] });
  });

  test("is a route that goes another way, to other addresses, or is not the daemon's", () => {
    const before = ["route 192.168.189.64 via 172.28.0.4 dev eth0 proto bird"];
    const others = [
      "route 192.168.189.64/26 via 172.28.0.5 dev eth0 proto bird",
      "route 192.168.190.64/26 via 172.28.0.4 dev eth0 proto bird",
      "route 192.168.189.64/26 via 172.28.0.4 dev eth0",
    ];
    for (const other of others)
      expect(residue(before, [other], new Set())).toEqual({ extra: [other], missing: before });
  });
});
