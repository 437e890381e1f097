import { describe, expect, it } from "vitest";
import { hostPortRuleset } from "../../../../src/engine/nft/host-ports.ts";
import type { Pod } from "../../../../src/kube/types.ts";
import { useControlPlane } from "../use-control-plane.ts";
import { daemonSet, deployment, pod } from "../store/objects.ts";

const at = useControlPlane();

const container = (hostPort: number, extra: Record<string, unknown> = {}): Record<string, unknown> => ({
  name: "main",
  image: "nginx",
  ports: [{ containerPort: 80, hostPort, ...extra }],
});
const nodesOf = (prefix: string): (string | undefined)[] =>
  at
    .pods()
    .filter(({ metadata }) => metadata.name.startsWith(prefix))
    .map(({ spec }) => spec.nodeName);

describe("host ports", () => {
  it("keep pods of one port apart, and those too many Pending until one goes", async () => {
    await at.applied(deployment("web", { replicas: 3, pod: { containers: [container(8080)] } }));
    expect(nodesOf("web")).toEqual(expect.arrayContaining(["worker1", "worker2", undefined]));
    const waiting = at.pods().find(({ spec }) => spec.nodeName === undefined);
    expect(waiting?.status?.conditions?.[0]?.message).toBe(
      "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't have free ports for the requested pod ports.",
    );
    at.plane.scale({ kind: "Deployment", namespace: "default", name: "web" }, 2);
    await at.applied(pod("other", { spec: { containers: [container(8080)] as never } }));
    expect(nodesOf("other")).toEqual([undefined]);
    at.plane.scale({ kind: "Deployment", namespace: "default", name: "web" }, 1);
    await at.plane.settle();
    expect(nodesOf("other")[0]).toMatch(/^worker/);
  });

  it("differ by protocol and address, and are those declared on the node's own network", async () => {
    const on = { nodeSelector: { "kubernetes.io/hostname": "worker1" } };
    await at.applied(
      pod("tcp", { spec: { ...on, containers: [container(53, { hostIP: "172.18.0.3" })] as never } }),
      pod("udp", { spec: { ...on, containers: [container(53, { protocol: "UDP" })] as never } }),
      pod("other-ip", { spec: { ...on, containers: [container(53, { hostIP: "127.0.0.1" })] as never } }),
      pod("any", { spec: { ...on, containers: [container(53)] as never } }),
      pod("host", {
        spec: { ...on, hostNetwork: true, containers: [{ ...container(0), ports: [{ containerPort: 53 }] }] as never },
      }),
    );
    expect(nodesOf("")).toEqual(["worker1", "worker1", "worker1", undefined, undefined]);
  });

  it("let a DaemonSet's update have the port that its old pod leaves", async () => {
    await at.applied(daemonSet("agent", { pod: { containers: [container(9100)] } }));
    await at.applied(daemonSet("agent", { pod: { containers: [{ ...container(9100), image: "nginx:2" }] } }));
    expect(new Set(nodesOf("agent"))).toEqual(new Set(["worker1", "worker2"]));
    expect(at.pods().every(({ spec }) => spec.containers[0]?.image === "nginx:2")).toBe(true);
  });

  it("are rules of the node that lead to its pods", async () => {
    await at.applied(pod("web", { spec: { containers: [container(8080)] as never } }), pod("plain"));
    const [web, plain] = at.pods();
    const address = web?.status?.podIP ?? "";
    const text = hostPortRuleset([web, plain].filter((each) => each !== undefined));
    expect(text).toContain(`tcp dport 8080 dnat to ${address}:80`);
    expect(text).toContain(`ip saddr ${address} ip daddr ${address} masquerade`);
    expect(hostPortRuleset([plain].filter((each) => each !== undefined))).toBe("");
  });

  it("are rules of each family that the pod has an address of, and of a hostIP's own alone", () => {
    const dual = (name: string, suffix: number, extra: Record<string, unknown> = {}): Pod => ({
      ...pod(name, { spec: { containers: [container(8080, extra)] as never } }),
      status: { podIPs: [{ ip: `10.244.1.${suffix}` }, { ip: `fd00:10:244::${suffix}` }] },
    });
    const targets = (...pods: Pod[]): string[] =>
      hostPortRuleset(pods)
        .split("\n")
        .flatMap((line) => /^table (\S+ \S+) \{/.exec(line)?.[1] ?? (line.includes("dnat") ? line.trim() : []));
    expect(targets(dual("a", 5))).toEqual([
      "ip cni_hostport",
      "tcp dport 8080 dnat to 10.244.1.5:80",
      "ip6 cni_hostport",
      "tcp dport 8080 dnat to [fd00:10:244::5]:80",
    ]);
    expect(targets(dual("a", 5, { hostIP: "fd00:172::4" }))).toEqual([
      "ip6 cni_hostport",
      "ip6 daddr fd00:172::4 tcp dport 8080 dnat to [fd00:10:244::5]:80",
    ]);
    expect(targets(dual("a", 5, { hostIP: "0.0.0.0" }))).toEqual([
      "ip cni_hostport",
      "tcp dport 8080 dnat to 10.244.1.5:80",
    ]);
    expect(targets(dual("a", 5, { hostIP: "::" }))).toEqual([
      "ip6 cni_hostport",
      "tcp dport 8080 dnat to [fd00:10:244::5]:80",
    ]);
  });
});
