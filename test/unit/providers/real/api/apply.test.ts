import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../../../../src/kube/types.ts";
import { statusBody } from "../../../../fixtures/api-server.ts";
import { useServer } from "./use-server.ts";

const served = useServer();

const config = (name: string, data: Record<string, string>, labels: Record<string, string> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: "shop", name, labels },
  data,
});
const shop: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } };
const stored = (name: string): unknown => served.server.get("ConfigMap", name, "shop")?.["data"];
const actions = async (objects: readonly KubeObject[]): Promise<string[]> =>
  (await served.api.apply(objects)).map(({ action }) => action);

/** Applies as another field manager would. */
function applyAs(manager: string, object: KubeObject, force: boolean): Promise<unknown> {
  const { namespace, name } = object.metadata;
  return served.api.connection.send({
    method: "PATCH",
    path: `/api/v1/namespaces/${namespace}/configmaps/${name}`,
    query: { fieldManager: manager, force: String(force) },
    contentType: "application/apply-patch+yaml",
    body: object,
  });
}

/** The server refuses what is stored, not what is tried, of objects of this name. */
function refuseToStore(name: string): void {
  served.server.intercept = ({ method, path, query }, response) => {
    if (method !== "PATCH" || query.has("dryRun") || !path.endsWith(`/${name}`)) return undefined;
    const body = JSON.stringify(statusBody(409, "Conflict", "it clashes with another"));
    response.writeHead(409, { "content-type": "application/json" }).end(body);
    return true;
  };
}

describe("server-side apply", () => {
  test("tells what was created, what was changed and what was as it should be", async () => {
    served.server.put(shop);
    expect(await actions([config("a", { x: "1" })])).toEqual(["created"]);
    expect(await actions([config("a", { x: "1" }), config("b", { y: "1" })])).toEqual(["unchanged", "created"]);
    expect(await actions([config("a", { x: "2" })])).toEqual(["configured"]);
  });

  test("takes away what the manifest no longer has, and leaves what others added", async () => {
    served.server.put(shop);
    await actions([config("a", { x: "1", y: "1" })]);
    await applyAs("somebody", config("a", { z: "theirs" }), false);
    await actions([config("a", { x: "1" })]);
    expect(stored("a")).toEqual({ x: "1", z: "theirs" });
  });

  test("takes over a field that another manager has: the lab's file is the wish", async () => {
    served.server.put(shop);
    await applyAs("somebody", config("a", { x: "theirs" }), false);
    expect(await actions([config("a", { x: "ours" })])).toEqual(["configured"]);
    expect(stored("a")).toEqual({ x: "ours" });
    // It is a conflict for those who do not insist.
    await expect(applyAs("somebody", config("a", { x: "theirs" }), false)).rejects.toMatchObject({
      code: "API_REFUSED",
      status: 409,
      why: '.data.x: conflict with "cnilab"',
    });
  });

  test("sends what the API calls a strict, forced apply of ours", async () => {
    served.server.put(shop);
    await actions([config("a", { x: "1" })]);
    const patches = served.server.asked.filter(({ method }) => method === "PATCH");
    expect(patches.map(({ query }) => Object.fromEntries(query))).toEqual([
      { fieldManager: "cnilab", force: "true", fieldValidation: "Strict", dryRun: "All" },
      { fieldManager: "cnilab", force: "true", fieldValidation: "Strict" },
    ]);
  });

  test("leaves out what only the server sets, so that what was read can be applied", async () => {
    served.server.put(shop);
    await actions([config("a", { x: "1" })]);
    const read = { ...served.server.get("ConfigMap", "a", "shop"), status: { seen: true } } as KubeObject;
    expect(await actions([{ ...read, metadata: { ...read.metadata, generation: 7 } }])).toEqual(["unchanged"]);
    const last = served.server.asked.at(-1)?.body as KubeObject;
    expect(last.metadata).toEqual({ name: "a", namespace: "shop", labels: {} });
    expect(last).not.toHaveProperty("status");
  });
});

describe("several objects", () => {
  test("none is stored where the server objects to some, and all objections are told", async () => {
    served.server.put(shop);
    served.server.intercept = ({ method, path, query }, response) => {
      if (method !== "PATCH" || !query.has("dryRun") || !/\/bad\d$/.test(path)) return undefined;
      const causes = [{ field: `data.${path.slice(-4)}`, message: "Invalid value" }];
      const body = JSON.stringify(statusBody(422, "Invalid", "invalid", { causes }));
      response.writeHead(422, { "content-type": "application/json" }).end(body);
      return true;
    };
    const objects = [config("good", {}), config("bad1", {}), config("bad2", {})];
    await expect(served.api.apply(objects)).rejects.toMatchObject({
      code: "APPLY_REJECTED",
      message:
        "the API server refuses 2 objects:\n  ConfigMap shop/bad1: data.bad1: Invalid value\n  ConfigMap shop/bad2: data.bad2: Invalid value",
    });
    expect(stored("good")).toBeUndefined();
  });

  test("what was stored is taken back where a later one is refused: new ones go, changed ones are as they were", async () => {
    served.server.put(shop);
    await actions([config("old", { x: "before" })]);
    refuseToStore("last");
    const objects = [config("new", { x: "1" }), config("old", { x: "after" }), config("last", {})];
    await expect(served.api.apply(objects)).rejects.toMatchObject({
      code: "APPLY_REJECTED",
      message: "the API server refuses ConfigMap shop/last: it clashes with another",
    });
    expect(stored("new")).toBeUndefined();
    expect(stored("old")).toEqual({ x: "before" });
  });

  test("what could not be taken back is named", async () => {
    served.server.put(shop);
    refuseToStore("last");
    const refuse = served.server.intercept;
    served.server.intercept = (asked, response) => {
      if (asked.method !== "DELETE") return refuse(asked, response);
      response.writeHead(500, { "content-type": "text/plain" }).end("etcd is away");
      return true;
    };
    await expect(served.api.apply([config("new", {}), config("last", {})])).rejects.toMatchObject({
      code: "APPLY_HALF_DONE",
      message: expect.stringContaining("etcd is away"),
      hint: "look at ConfigMap shop/new",
    });
  });

  test("what goes into a namespace that is new is tried in another before anything is stored", async () => {
    served.server.onWrite = ({ kind, metadata: { name } }, type) => {
      // As the service account controller does.
      if (kind !== "Namespace" || type !== "ADDED") return;
      served.server.put({ apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: name, name: "default" } });
    };
    const pod: KubeObject = { apiVersion: "v1", kind: "Pod", metadata: { namespace: "shop", name: "web" }, spec: {} };
    expect(await actions([pod, shop])).toEqual(["created", "created"]);
    const writes = served.server.asked.filter(({ method }) => method === "PATCH");
    expect(
      writes.map(({ path, query }) => `${path.replace(/[0-9a-f]{8}$/, "*")} ${query.get("dryRun") ?? ""}`),
    ).toEqual([
      "/api/v1/namespaces/shop All",
      "/api/v1/namespaces/default/pods/cnilab-dry-run-* All",
      "/api/v1/namespaces/shop ",
      "/api/v1/namespaces/shop/pods/web All",
      "/api/v1/namespaces/shop/pods/web ",
    ]);
  });

  test("a kind that the server does not serve is named before anything is sent", async () => {
    const strange: KubeObject = { apiVersion: "v1", kind: "ConfigMop", metadata: { name: "x" } };
    await expect(served.api.apply([shop, strange])).rejects.toMatchObject({
      code: "API_KIND_UNKNOWN",
      hint: expect.stringContaining("ConfigMap"),
    });
    expect(served.server.log.filter((line) => line.startsWith("PATCH"))).toEqual([]);
  });
});

describe("deletion", () => {
  test("of what is not there is fine, and of what is there ends when it is gone", async () => {
    served.server.put(config("a", {}));
    await served.api.delete([
      { kind: "ConfigMap", namespace: "shop", name: "a" },
      { kind: "ConfigMap", namespace: "shop", name: "never" },
    ]);
    expect(stored("a")).toBeUndefined();
  });

  test("names the finalizers of what does not go", async () => {
    const metadata = { namespace: "shop", name: "kept", finalizers: ["shop.example/keep"] };
    const kept = served.server.put({ apiVersion: "v1", kind: "ConfigMap", metadata });
    served.server.intercept = ({ method }, response) => {
      if (method !== "DELETE") return undefined;
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(kept));
      return true;
    };
    const ref = { kind: "ConfigMap", namespace: "shop", name: "kept" };
    await expect(served.api.delete([ref], { timeoutMs: 200 })).rejects.toMatchObject({
      code: "DELETE_STUCK",
      message: expect.stringContaining("ConfigMap shop/kept is kept by its finalizers shop.example/keep"),
    });
  });
});
