import { expect, test } from "vitest";
import { LabError } from "../../../../../src/core/errors.ts";
import type { Pod } from "../../../../../src/kube/types.ts";
import { podLinks } from "../../../../../src/providers/real/reset/pod-links.ts";
import type { Agents, Place } from "../../../../../src/providers/real/types.ts";

const LOOPBACK = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue\n";

/** What `ip -o link` prints in each place; a pod without an entry has ended. */
function agentsThatShow(links: Record<string, string>): Agents {
  return {
    exec: (place: Place) => {
      const output = links[place.kind === "pod" ? place.name : place.kind === "node" ? place.node : "external"];
      if (output === undefined) return Promise.reject(new LabError("SOURCE_MISSING", "it has ended"));
      return Promise.resolve({ exitCode: 0, stdout: LOOPBACK + output, stderr: "" });
    },
  } as unknown as Agents;
}

function pod(name: string, nodeName: string, more: { hostNetwork?: boolean; phase?: string } = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "kube-system", name, uid: name },
    spec: { nodeName, containers: [], ...(more.hostNetwork === true ? { hostNetwork: true } : {}) },
    status: { phase: more.phase ?? "Running" },
  } as unknown as Pod;
}

test("a pod's link is the node's of the number that the pod's own end knows", async () => {
  const agents = agentsThatShow({
    worker1: "2: weave: <UP> mtu 1376\n8: vethwepl1d26ed0@if7: <UP> mtu 1376\n9: veth0@veth1: <UP> mtu 1376\n",
    worker2: "8: vethother@if7: <UP> mtu 1376\n12: vethwepl55f5b23@if7: <UP> mtu 1376\n",
    dns1: "7: eth0@if8: <UP> mtu 1376\n",
    dns2: "7: eth0@if12: <UP> mtu 1376\n",
  });
  const pods = [pod("dns1", "worker1"), pod("dns2", "worker2")];
  expect([...(await podLinks(agents, pods))]).toEqual(["vethwepl1d26ed0", "vethwepl55f5b23"]);
});

test("pods on the node's own network, and those that have ended, have none", async () => {
  const agents = agentsThatShow({ worker1: "8: veth8@if7: <UP> mtu 1376\n", proxy: "7: eth0@if8: <UP>\n" });
  const pods = [
    pod("proxy", "worker1", { hostNetwork: true }),
    pod("job", "worker1", { phase: "Succeeded" }),
    pod("just-gone", "worker1"),
  ];
  expect([...(await podLinks(agents, pods))]).toEqual([]);
});

test("an agent that is lost is no pod that has ended", async () => {
  const lost = { exec: () => Promise.reject(new LabError("AGENT_LOST", "lost")) } as unknown as Agents;
  await expect(podLinks(lost, [pod("dns", "worker1")])).rejects.toMatchObject({ code: "AGENT_LOST" });
});
