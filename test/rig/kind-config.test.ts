import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../../src/kube/types.ts";
import { openKubernetesApi, type KubernetesApi } from "../../src/providers/real/api/kubernetes-api.ts";
import { Cnilab } from "../e2e/cnilab.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";
import { writeSmallLab } from "./small-lab.ts";

const NAME = "rig-config";
const NODE_PORT = 30_080;

const SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "shop" },
  spec: { type: "NodePort", selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080, nodePort: NODE_PORT }] },
};

/** A port of this host that nothing listens on now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

describeOnRig("what a lab says of its cluster", () => {
  let cnilab: Cnilab;
  let api: KubernetesApi;
  let port: number;

  /** What a command says in a node. */
  const inNode = async (name: string, ...argv: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await cnilab.run("exec", NAME, `node/${name}`, "--", ...argv);
    expect(exitCode, stderr).toBe(0);
    return stdout;
  };

  const addressOf = ({ status }: KubeObject): string => {
    const { addresses } = status as { addresses: { type: string; address: string }[] };
    return addresses.find(({ type }) => type === "InternalIP")?.address ?? "";
  };

  const node = async (name: string): Promise<KubeObject> => {
    const found = await api.get({ kind: "Node", name });
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  };

  beforeAll(async () => {
    cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 300_000 });
    port = await freePort();
    const folder = writeSmallLab(cnilab.stateHome, NAME, {
      topology: {
        networks: { rack1: { subnet: "172.30.1.0/24" }, rack2: { subnet: "172.30.2.0/24", mtu: 1480 } },
        nodes: {
          "control-plane": { role: "control-plane", networks: ["rack1"], taints: [], labels: { rack: "a" } },
          worker1: {
            networks: ["rack2", "rack1"],
            labels: { disk: "ssd", "topology.kubernetes.io/zone": "z1" },
            taints: [{ key: "dedicated", value: "web", effect: "NoSchedule" }],
          },
        },
        links: [{ node: "worker1", network: "rack1", mtu: 1400 }],
      },
      cni: { name: "calico", mode: "cross-subnet" },
      cluster: {
        kubeProxyMode: "iptables",
        kubeadmPatches: ["kind: KubeletConfiguration\nmaxPods: 42\n"],
        portMappings: [{ node: "worker1", containerPort: NODE_PORT, hostPort: port }],
      },
      more: [SERVICE],
    });
    const up = await cnilab.run("up", folder, "--provider", "kind");
    expect(up.exitCode, up.stderr).toBe(0);
    const file = join(cnilab.stateHome, "cnilab/labs", NAME, "kubeconfig");
    api = await openKubernetesApi(readFileSync(file, "utf8"), { file });
  });

  afterAll(async () => {
    api?.close();
    await cnilab.remove();
  });

  test("a NodePort answers on the port of this host that is mapped to it", async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/hostname`, { signal: AbortSignal.timeout(5000) });
    expect(await answer.text()).toMatch(/^web-/);
  });

  test("nodes have the topology's labels and taints, also those that a kubelet may not set", async () => {
    const controlPlane = await node("control-plane");
    expect(controlPlane.metadata.labels).toMatchObject({ rack: "a", "node-role.kubernetes.io/control-plane": "" });
    expect(controlPlane["spec"]).not.toHaveProperty("taints");
    const worker = await node("worker1");
    expect(worker.metadata.labels).toMatchObject({ disk: "ssd", "topology.kubernetes.io/zone": "z1" });
    expect(worker["spec"]).toMatchObject({ taints: [{ key: "dedicated", value: "web", effect: "NoSchedule" }] });
  });

  test("nodes of two networks reach each other by a router, and pods by an overlay; each link has its MTU", async () => {
    const [controlPlane, worker] = (await Promise.all(["control-plane", "worker1"].map(node))).map(addressOf);
    expect(controlPlane).toMatch(/\.2$/);
    expect(worker).toMatch(/\.2$/);
    expect(worker).not.toBe(controlPlane);
    expect(await inNode("control-plane", "ip", "route", "get", worker ?? "")).toContain(" via ");
    expect(await inNode("control-plane", "ip", "route")).toMatch(/\/26 via \S+ dev vxlan\.calico onlink/);
    const links = (await inNode("worker1", "ip", "-o", "link")).split("\n").filter((line) => / eth\d/.test(line));
    expect(links.map((line) => line.match(/eth\d(?=@)|mtu \d+/g)?.join(" "))).toEqual([
      "eth0 mtu 1480",
      "eth1 mtu 1400",
    ]);
    expect(await inNode("worker1", "ip", "route", "show", "default")).toContain("dev eth0");
  });

  test("a kubeadm patch is every kubelet's", async () => {
    const nodes = await Promise.all(["control-plane", "worker1"].map(node));
    expect(nodes.map((each) => (each["status"] as { capacity: { pods: string } }).capacity.pods)).toEqual(["42", "42"]);
  });

  test("kube-proxy has the mode that is asked for", async () => {
    const config = await api.get({ kind: "ConfigMap", namespace: "kube-system", name: "kube-proxy" });
    const text = (config?.["data"] as Record<string, string> | undefined)?.["config.conf"] ?? "";
    expect(parseAllDocuments(text)[0]?.toJS()).toMatchObject({ mode: "iptables" });
  });
});
