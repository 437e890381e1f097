import { describe, expect, it } from "vitest";
import { useControlPlane } from "./use-control-plane.ts";
import { configMap, deployment, namespace, service } from "./store/objects.ts";

const at = useControlPlane();

describe("a fresh cluster", () => {
  it("has what kubeadm leaves behind", () => {
    expect(at.names(at.plane.store.list("Namespace"))).toEqual([
      "default",
      "kube-system",
      "kube-public",
      "kube-node-lease",
    ]);
    expect(at.plane.store.list("Namespace").every(({ status: { phase } = {} }) => phase === "Active")).toBe(true);
    expect(at.plane.store.get("Service", "kubernetes", "default")?.spec.clusterIP).toBe("10.96.0.1");
    expect(at.plane.store.get("Service", "kube-dns", "kube-system")?.spec).toMatchObject({
      clusterIP: "10.96.0.10",
      ports: [
        { port: 53, protocol: "UDP" },
        { port: 53, protocol: "TCP" },
        { port: 9153, protocol: "TCP" },
      ],
    });
    expect(at.plane.store.get("Endpoints", "kubernetes", "default")?.subsets?.[0]).toMatchObject({
      addresses: [{ ip: "172.18.0.2" }],
      ports: [{ port: 6443 }],
    });
    expect(at.plane.store.get("Deployment", "coredns", "kube-system")?.status).toMatchObject({
      replicas: 2,
      availableReplicas: 2,
    });
    expect(at.plane.failing()).toEqual([]);
  });

  it("registers its nodes Ready, with their addresses and roles", () => {
    const [node] = at.plane.store.list("Node");
    expect(node).toMatchObject({
      metadata: {
        name: "control-plane",
        labels: { "kubernetes.io/hostname": "control-plane", "node-role.kubernetes.io/control-plane": "" },
      },
      spec: { taints: [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }] },
      status: {
        addresses: [
          { type: "InternalIP", address: "172.18.0.2" },
          { type: "Hostname", address: "control-plane" },
        ],
        conditions: [{ type: "Ready", status: "True" }],
      },
    });
  });
});

describe("a namespace", () => {
  it("takes all it holds along, objects of unknown kinds too", async () => {
    const widget = { apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "w", namespace: "shop" } };
    await at.applied(
      namespace("shop"),
      deployment("web", { replicas: 3, namespace: "shop" }),
      service("web", {}, "shop"),
      configMap("a", {}, "shop"),
      widget,
    );
    await at.plane.delete([{ kind: "Namespace", name: "shop" }]);
    await at.plane.settle();
    expect(at.plane.store.all({ namespace: "shop" })).toEqual([]);
    expect(at.plane.store.get("Namespace", "shop")).toBeUndefined();
    expect(at.runtime.stopped).toHaveLength(3);
    expect(at.plane.failing()).toEqual([]);
  });
});

describe("settle", () => {
  it("waits for what follows the store", async () => {
    const seen: number[] = [];
    at.plane.addBarrier(async (version) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      seen.push(version);
    });
    await at.applied(deployment("web"));
    expect(seen.at(-1)).toBe(at.plane.store.version);
  });

  it("gives up with what was still at work", async () => {
    at.plane.addBarrier(() => new Promise(() => undefined));
    await expect(at.plane.settle({ timeoutMs: 20 })).rejects.toMatchObject({ code: "SETTLE_TIMEOUT" });
  });

  it("takes little of the processor for a hundred pods", async () => {
    const before = process.cpuUsage();
    await at.applied(deployment("web", { replicas: 100 }), service("web"));
    const { user, system } = process.cpuUsage(before);
    expect(at.status()?.availableReplicas).toBe(100);
    // 20–45 ms measured; the bound is the contract.
    expect((user + system) / 1000).toBeLessThan(150);
  });
});
