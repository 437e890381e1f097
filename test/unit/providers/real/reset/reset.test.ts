import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../../../../src/kube/types.ts";
import { Reset } from "../../../../../src/providers/real/reset/reset.ts";
import { scriptedAgents } from "../../../../fixtures/scripted-agents.ts";
import { useServer } from "../api/use-server.ts";

const served = useServer();
const folder = { path: "" };
beforeEach(() => {
  folder.path = mkdtempSync(join(tmpdir(), "cnilab-reset-"));
});
afterEach(() => rmSync(folder.path, { recursive: true, force: true }));

const namespace = (name: string): KubeObject => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
const config = (name: string, data: Record<string, string>, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: "kube-system", name, ...more },
  data,
});
const node = (labels: Record<string, string>, taints: object[] = []): KubeObject => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "one", labels },
  spec: { podCIDR: "10.0.0.0/24", taints },
});
const webhook: KubeObject = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  metadata: { name: "strict" },
};

/** A node whose routes are what `routes` has now; commands that change something are kept. */
function resetOf(routes: () => string = () => ""): { reset: Reset; commands: string[]; reads: () => number } {
  const commands: string[] = [];
  let reads = 0;
  const agents = scriptedAgents({
    exec: (_place, argv) => {
      const line = argv.join(" ");
      if (argv[0] === "iptables-save") reads++;
      if (line === "ip -4 route show table all") return routes();
      if (!/^(ip6?tables-save|nft list tables|ip -6 route show table all|ip -o link)$/.test(line)) commands.push(line);
      return "";
    },
  });
  const rest = (): Promise<void> => Promise.resolve();
  const options = { api: served.api, agents, nodes: ["one"], stateDirectory: folder.path, lastingRules: [], rest };
  return { reset: new Reset(options), commands, reads: () => reads };
}

/** What was written since, as `DELETE /path`. */
const writesSince = (count: number): string[] =>
  served.server.log.slice(count).filter((line) => !line.startsWith("GET"));

describe("a reset", () => {
  test("has nothing to do where nothing changed, whatever controllers wrote meanwhile, and reads each node once", async () => {
    served.server.put(namespace("kube-system"));
    served.server.put(config("a", { x: "1" }));
    const { reset, reads } = resetOf();
    await reset.keep();
    const before = served.server.log.length;
    const read = reads();
    served.server.put({ ...config("a", { x: "1" }), status: { seen: true } });
    served.server.put({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { namespace: "kube-system", name: "e" },
    });
    served.server.put({
      apiVersion: "crd.projectcalico.org/v1",
      kind: "KubeControllersConfiguration",
      metadata: { name: "default" },
    });
    const owned = { ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "r", uid: "1" }] };
    served.server.put(config("derived", {}, owned));
    expect((await reset.run()).changes).toEqual([]);
    expect(writesSince(before)).toEqual([]);
    expect(reads() - read).toBe(1);
  });

  test("removes what is new, webhooks first, and what is in a new namespace with it", async () => {
    served.server.put(namespace("kube-system"));
    const { reset } = resetOf();
    await reset.keep();
    served.server.put(namespace("shop"));
    served.server.put({ ...config("inside", {}), metadata: { namespace: "shop", name: "inside" } });
    served.server.put(config("extra", {}));
    served.server.put(webhook);
    const before = served.server.log.length;
    // As the namespace controller does.
    served.server.onWrite = ({ kind }, type) => {
      if (kind === "Namespace" && type === "DELETED")
        served.server.remove({ ...config("inside", {}), metadata: { namespace: "shop", name: "inside" } });
    };
    const { changes } = await reset.run();
    expect(changes.toSorted()).toEqual([
      "removed ConfigMap kube-system/extra",
      "removed Namespace shop",
      "removed ValidatingWebhookConfiguration.admissionregistration.k8s.io strict",
    ]);
    const writes = writesSince(before);
    expect(writes[0]).toBe("DELETE /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/strict");
    expect(writes.slice(1).toSorted()).toEqual([
      "DELETE /api/v1/namespaces/kube-system/configmaps/extra",
      "DELETE /api/v1/namespaces/shop",
    ]);
  });

  test("puts back what was changed and what is gone", async () => {
    served.server.put(namespace("kube-system"));
    served.server.put(config("changed", { x: "1" }, { labels: { a: "b" } }));
    const gone = served.server.put(config("gone", { y: "1" }));
    const { reset } = resetOf();
    await reset.keep();
    served.server.put(config("changed", { x: "2", z: "new" }));
    served.server.remove(gone);
    expect((await reset.run()).changes).toEqual([
      "put back ConfigMap kube-system/changed, which was changed",
      "put back ConfigMap kube-system/gone, which was gone",
    ]);
    expect(served.server.get("ConfigMap", "changed", "kube-system")).toMatchObject({
      data: { x: "1" },
      metadata: { labels: { a: "b" } },
    });
    expect(served.server.get("ConfigMap", "changed", "kube-system")?.["data"]).toEqual({ x: "1" });
    expect(served.server.get("ConfigMap", "gone", "kube-system")?.["data"]).toEqual({ y: "1" });
  });

  test("puts labels and taints of a node back and leaves the rest of it alone", async () => {
    served.server.put(node({ zone: "a" }));
    const { reset } = resetOf();
    await reset.keep();
    served.server.put(node({ zone: "b", extra: "x" }, [{ key: "lab", effect: "NoSchedule" }]));
    expect((await reset.run()).changes).toEqual(["put back Node one, which was changed"]);
    const now = served.server.get("Node", "one");
    expect(now?.metadata.labels).toEqual({ zone: "a" });
    expect(now?.["spec"]).toMatchObject({ podCIDR: "10.0.0.0/24", taints: [], unschedulable: false });
  });

  test("is unclean where something does not take, and names it", async () => {
    served.server.put(namespace("kube-system"));
    served.server.put(config("stubborn", { x: "1" }));
    const { reset } = resetOf();
    await reset.keep();
    served.server.put(config("stubborn", { x: "2" }));
    // A controller that has its own will.
    served.server.onWrite = (object) => {
      if ((object["data"] as { x?: string } | undefined)?.x === "1") served.server.put(config("stubborn", { x: "2" }));
    };
    await expect(reset.run()).rejects.toMatchObject({
      code: "RESET_UNCLEAN",
      message: expect.stringContaining("ConfigMap kube-system/stubborn (changed)"),
    });
  });

  test("waits for agents that take a route away themselves", async () => {
    let looks = 0;
    let isKept = false;
    const { reset, commands } = resetOf(() => (isKept && looks++ < 3 ? "10.9.0.0/24 via 172.18.0.3 dev eth0" : ""));
    await reset.keep();
    isKept = true;
    expect((await reset.run()).changes).toEqual([]);
    expect(commands).toEqual(["ip neigh flush all"]);
    expect(looks).toBe(4);
  });

  test("has nothing to go back to without a snapshot", async () => {
    await expect(resetOf().reset.run()).rejects.toMatchObject({ code: "RESET_NO_SNAPSHOT" });
  });
});
