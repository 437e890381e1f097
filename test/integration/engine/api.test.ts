import { networkInterfaces } from "node:os";
import { createConnection } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configMap, deployment, namespace, service } from "../../unit/engine/store/objects.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { ApiUnderTest } from "./api-client.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";
let api: ApiUnderTest;

beforeAll(async () => {
  api = await new ApiUnderTest().start();
});

afterAll(() => api.close());

describe("objects", () => {
  test("are created once, and a name is given where only its beginning is", async () => {
    expect(await api.call("POST", maps, configMap("once"))).toMatchObject({ code: 201, body: { kind: "ConfigMap" } });
    expect(await api.call("POST", maps, configMap("once"))).toMatchObject({
      code: 409,
      body: {
        reason: "AlreadyExists",
        message: 'configmaps "once" already exists',
        details: { name: "once", kind: "configmaps" },
      },
    });
    const generated = { apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "some-" } };
    const { body } = await api.call("POST", maps, generated);
    expect(body).toMatchObject({ metadata: { name: expect.stringMatching(/^some-\w{5}$/) as string } });
  });

  test("need not say their kind where the path does", async () => {
    const { code, body } = await api.call("POST", maps, { metadata: { name: "kindless" } });
    expect({ code, body }).toMatchObject({ code: 201, body: { apiVersion: "v1", kind: "ConfigMap" } });
  });

  test("of a namespace that is not there are refused", async () => {
    const answer = await api.call("POST", "/api/v1/namespaces/nosuch/configmaps", configMap("a", {}, "nosuch"));
    expect(answer).toMatchObject({ code: 404, body: { reason: "NotFound", message: 'namespaces "nosuch" not found' } });
  });

  test("are replaced by whoever has seen the newest version", async () => {
    const { body: made } = await api.call("POST", maps, configMap("versions", { key: "1" }));
    const changed = { ...(made as object), data: { key: "2" } };
    expect(await api.call("PUT", `${maps}/versions`, changed)).toMatchObject({
      code: 200,
      body: { data: { key: "2" } },
    });
    expect(await api.call("PUT", `${maps}/versions`, changed)).toMatchObject({
      code: 409,
      body: { reason: "Conflict" },
    });
    expect(await api.call("PUT", `${maps}/nosuch`, configMap("nosuch"))).toMatchObject({ code: 404 });
    expect(await api.call("PUT", `${maps}/versions`, configMap("other"))).toMatchObject({ code: 400 });
  });

  test("keep their status apart from the rest, and are scaled through a Scale", async () => {
    await api.call("POST", deployments, deployment("parts", { replicas: 1 }));
    const { body: live } = await api.call("GET", `${deployments}/parts`);
    const { resourceVersion: _, ...metadata } = (live as { metadata: Record<string, unknown> }).metadata;
    const both = {
      ...(live as object),
      metadata,
      spec: { ...(live as { spec: object }).spec, replicas: 7 },
      status: { replicas: 5 },
    };
    await api.call("PUT", `${deployments}/parts/status`, both);
    const after = (await api.call("GET", `${deployments}/parts`)).body as { spec: { replicas: number } };
    expect(after.spec.replicas).toBe(1);
    const patched = await api.call(
      "PATCH",
      `${deployments}/parts/scale`,
      { spec: { replicas: 3 } },
      {
        "content-type": "application/merge-patch+json",
      },
    );
    expect(patched).toMatchObject({ code: 200, body: { kind: "Scale", spec: { replicas: 3 } } });
    expect(api.plane.store.get("Deployment", "parts", "default")?.spec.replicas).toBe(3);
    const minus = { apiVersion: "autoscaling/v1", kind: "Scale", metadata: { name: "parts" }, spec: { replicas: -1 } };
    expect(await api.call("PUT", `${deployments}/parts/scale`, minus)).toMatchObject({ code: 422 });
  });

  test("take merge patches", async () => {
    await api.call("POST", maps, configMap("patched", { keep: "1", drop: "2" }));
    const type = { "content-type": "application/merge-patch+json" };
    const patch = { data: { drop: null, add: "3" }, metadata: { labels: { a: "b" } } };
    const { body } = await api.call("PATCH", `${maps}/patched`, patch, type);
    expect(body).toMatchObject({ data: { keep: "1", add: "3" }, metadata: { labels: { a: "b" } } });
    expect(Object.keys((body as { data: object }).data)).not.toContain("drop");
    const rename = await api.call("PATCH", `${maps}/patched`, { metadata: { name: "other" } }, type);
    expect(rename).toMatchObject({ code: 400 });
  });

  test("take JSON patches, all operations or none", async () => {
    await api.call("POST", maps, configMap("listed", { a: "1" }));
    const type = { "content-type": "application/json-patch+json" };
    const add = { op: "add", path: "/data/b", value: "2" };
    const test = (value: string) => ({ op: "test", path: "/data/a", value });
    expect(await api.call("PATCH", `${maps}/listed`, [test("0"), add], type)).toMatchObject({
      code: 422,
      body: { reason: "Invalid" },
    });
    expect(await api.call("PATCH", `${maps}/listed`, add, type)).toMatchObject({ code: 400 });
    expect(api.plane.store.find({ kind: "ConfigMap", namespace: "default", name: "listed" })?.["data"]).toEqual({
      a: "1",
    });
    const { code, body } = await api.call("PATCH", `${maps}/listed`, [test("1"), add], type);
    expect({ code, body }).toMatchObject({ code: 200, body: { data: { a: "1", b: "2" } } });
  });

  test("take strategic merge patches of built-in kinds, which merge containers by name", async () => {
    const type = { "content-type": "application/strategic-merge-patch+json" };
    const image = { spec: { template: { spec: { containers: [{ name: "sidecar", image: "busybox:1.35" }] } } } };
    await api.call("PATCH", `${deployments}/parts`, image, type);
    const containers = (): string[] =>
      (api.plane.store.get("Deployment", "parts", "default")?.spec.template.spec?.containers ?? []).map(
        ({ name }) => name,
      );
    expect(containers()).toContain("sidecar");
    expect(containers()).toHaveLength(2);
    const gone = { spec: { template: { spec: { containers: [{ name: "sidecar", $patch: "delete" }] } } } };
    expect(await api.call("PATCH", `${deployments}/parts`, gone, type)).toMatchObject({ code: 200 });
    expect(containers()).not.toContain("sidecar");
  });

  test("refuse patches of a type that is not served", async () => {
    const cbor = await api.call("PATCH", `${maps}/patched`, {}, { "content-type": "application/apply-patch+cbor" });
    expect(cbor).toMatchObject({ code: 415, body: { reason: "UnsupportedMediaType" } });
  });

  test("of a dry run are checked and not stored", async () => {
    const { version } = api.plane.store;
    expect(await api.call("POST", `${maps}?dryRun=All`, configMap("dry"))).toMatchObject({ code: 201 });
    expect(await api.call("DELETE", `${maps}/once?dryRun=All`)).toMatchObject({ code: 200 });
    const { metadata } = api.plane.store.find({ kind: "ConfigMap", namespace: "default", name: "once" }) as KubeObject;
    const changed = await api.call("PUT", `${maps}/once?dryRun=All`, configMap("once", { dry: "yes" }));
    expect(changed).toMatchObject({ code: 200, body: { data: { dry: "yes" } } });
    expect(changed.body).toHaveProperty("metadata.resourceVersion", metadata.resourceVersion);
    expect(api.plane.store.version).toBe(version);
    expect(await api.call("GET", `${maps}/dry`)).toMatchObject({ code: 404 });
    expect(await api.call("POST", `${maps}?dryRun=Some`, configMap("dry"))).toMatchObject({ code: 400 });
  });

  test("are deleted by their uid and version, alone or by a selection", async () => {
    await api.call("POST", maps, { ...configMap("gone"), metadata: { name: "gone", labels: { sweep: "yes" } } });
    expect(await api.call("DELETE", `${maps}/gone`, { preconditions: { uid: "another" } })).toMatchObject({
      code: 409,
    });
    expect(await api.call("DELETE", `${maps}/gone`, { preconditions: { resourceVersion: "1" } })).toMatchObject({
      code: 409,
    });
    const swept = await api.call("DELETE", `${maps}?labelSelector=sweep%3Dyes`);
    expect(swept).toMatchObject({ code: 200, body: { items: [{ metadata: { name: "gone" } }] } });
    expect(await api.call("DELETE", `${maps}/gone`)).toMatchObject({ code: 404 });
    expect(await api.call("GET", `${maps}/versions`)).toMatchObject({ code: 200 });
  });

  test("with unknown fields are refused, warned of or stored without them, as asked", async () => {
    const misspelt = { ...service("typo"), spec: { ...(service("typo").spec as object), selectr: { a: "b" } } };
    const path = "/api/v1/namespaces/default/services";
    const strict = await api.call("POST", `${path}?fieldValidation=Strict`, misspelt);
    expect(strict).toMatchObject({
      code: 400,
      body: {
        message:
          'Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.selectr"',
      },
    });
    const warned = await api.call("POST", path, misspelt);
    expect(warned.code).toBe(201);
    expect(warned.headers["warning"]).toContain('299 - "unknown field \\"spec.selectr\\""');
    expect(JSON.stringify(warned.body)).not.toContain("selectr");
  });

  test("with wrong values name each wrong field", async () => {
    const broken = { ...service("wrong"), spec: { ports: [{ port: 0 }, { port: 70_000, name: "b" }] } };
    const answer = await api.call("POST", "/api/v1/namespaces/default/services", broken);
    expect(answer).toMatchObject({
      code: 422,
      body: { reason: "Invalid", details: { kind: "Service", name: "wrong" } },
    });
    const { causes } = (answer.body as { details: { causes: { field: string }[] } }).details;
    expect(causes.map(({ field }) => field)).toEqual(
      expect.arrayContaining(["spec.ports[0].port", "spec.ports[1].port"]),
    );
  });

  test("that admission refuses for `cnilab apply` are refused here", async () => {
    const { body } = await api.call("GET", `${deployments}/parts`);
    const moved = structuredClone(body) as { spec: { selector: object; template: { metadata: object } } };
    moved.spec.selector = { matchLabels: { app: "other" } };
    moved.spec.template.metadata = { labels: { app: "other" } };
    expect(await api.call("PUT", `${deployments}/parts`, moved)).toMatchObject({
      code: 422,
      body: { reason: "Invalid" },
    });
    expect(await api.call("DELETE", "/api/v1/namespaces/kube-system")).toMatchObject({
      code: 403,
      body: { reason: "Forbidden" },
    });
  });
});

describe("lists", () => {
  test("are read in pages of what was there when they began", async () => {
    api.plane.store.create(namespace("pages"));
    const path = "/api/v1/namespaces/pages/configmaps";
    for (const name of ["c", "a", "e", "b", "d"]) api.plane.store.create(configMap(name, {}, "pages"));
    const names: string[] = [];
    const versions = new Set<string>();
    for (let token = ""; ;) {
      const { body } = await api.call("GET", `${path}?limit=2&continue=${token}`);
      const page = body as {
        items: { metadata: { name: string } }[];
        metadata: { continue?: string; resourceVersion: string };
      };
      names.push(...page.items.map(({ metadata }) => metadata.name));
      versions.add(page.metadata.resourceVersion);
      token = page.metadata.continue ?? "";
      if (token === "") break;
      api.plane.store.create(configMap(`later-${names.length}`, {}, "pages"));
    }
    expect(names).toEqual(["a", "b", "c", "d", "e"]);
    expect(versions.size).toBe(1);
    expect(await api.call("GET", `${path}?continue=made-up`)).toMatchObject({ code: 410, body: { reason: "Expired" } });
  });

  test("take selectors by label and by field, and refuse those that mean nothing", async () => {
    const select = async (query: string): Promise<string[]> => {
      const { body } = await api.call("GET", `/api/v1/namespaces?${query}`);
      return (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
    };
    const key = "kubernetes.io%2Fmetadata.name";
    expect(await select(`labelSelector=${key}%20in%20(default,pages)`)).toEqual(["default", "pages"]);
    expect(await select(`labelSelector=${key}!=default,${key}!=pages,!x`)).toEqual([
      "kube-node-lease",
      "kube-public",
      "kube-system",
    ]);
    expect(await select("fieldSelector=metadata.name%3Ddefault")).toEqual(["default"]);
    expect(await api.call("GET", "/api/v1/namespaces?fieldSelector=spec.x%3D1")).toMatchObject({ code: 400 });
    expect(await api.call("GET", "/api/v1/namespaces?labelSelector=a%3D%3D%3Db")).toMatchObject({ code: 400 });
  });

  test("are tables where tables are asked for", async () => {
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    const { body } = await api.call("GET", "/api/v1/namespaces", undefined, { accept });
    const table = body as {
      columnDefinitions: { name: string }[];
      rows: { cells: unknown[]; object: { kind: string } }[];
    };
    expect(table.columnDefinitions.map(({ name }) => name)).toEqual(["Name", "Status", "Age"]);
    expect(table.rows[0]).toMatchObject({
      cells: ["default", "Active", expect.stringMatching(/^\d+s$/)],
      object: { kind: "PartialObjectMetadata" },
    });
    expect(await api.call("GET", "/api/v1/namespaces", undefined, { accept: "text/html" })).toMatchObject({
      code: 406,
    });
  });
});

describe("hostile requests", () => {
  test("without the token, or with another lab's, get 401 and nothing else", async () => {
    const other = await new ApiUnderTest().start();
    for (const authorization of [
      "",
      "Bearer ",
      `Bearer ${other.token}`,
      `Bearer ${api.token}x`,
      `Basic ${api.token}`,
    ]) {
      const answer = await api.call("GET", "/api/v1/secrets", undefined, { authorization });
      expect(answer).toMatchObject({
        code: 401,
        body: { kind: "Status", reason: "Unauthorized", message: "Unauthorized" },
      });
      expect(await api.call("POST", maps, configMap("intruder"), { authorization })).toMatchObject({ code: 401 });
    }
    expect(await api.call("GET", "/healthz", undefined, { authorization: "" })).toMatchObject({
      code: 200,
      body: { text: "ok" },
    });
    await other.close();
  });

  test.each([
    ["/api/v1/namespaces/default/../../../etc/passwd", 404],
    ["/api/v1/namespaces/default/configmaps/%2e%2e", 404],
    ["/api/v1/namespaces/default%2fconfigmaps/once", 404],
    ["/api/v1/namespaces/default/configmaps/once%00", 404],
    ["/api/v1/namespaces/default/configmaps/%zz", 400],
    ["/api/v1/namespaces//configmaps", 404],
    ["/api/v1/namespaces/default/constructor/x", 404],
    ["/apis/__proto__/v1/pods", 404],
    ["/api/v1/namespaces/default/configmaps/once/status", 404],
    ["/api/v1/nosuch", 404],
  ])("on path %s get %i", async (path, code) => {
    const { code: told, body } = await api.call("GET", path);
    expect(told).toBe(code);
    // What no handler is for is answered as by a mux.
    expect([{ text: "404 page not found\n" }, expect.objectContaining({ kind: "Status", code })]).toContainEqual(body);
  });

  test("with huge, deep or broken bodies get 413 and 400", async () => {
    const huge = JSON.stringify(configMap("huge", { key: "x".repeat(3 << 20) }));
    expect(await api.call("POST", maps, huge)).toMatchObject({ code: 413, body: { reason: "RequestEntityTooLarge" } });
    const deep = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"deep"},"data":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    expect(await api.call("POST", maps, deep)).toMatchObject({ code: 400 });
    for (const body of ["", "null", "[]", "{", '{"kind":"Secret"}', '{"apiVersion":"v2"}'])
      expect((await api.call("POST", maps, body)).code).toBe(400);
    const protobuf = { "content-type": "application/vnd.kubernetes.protobuf" };
    for (const body of ["k8s", "k8s\0\u000a\u00ff", "k8s\0\u0012\u007f", "nonsense"])
      expect((await api.call("POST", maps, body, protobuf)).code).toBe(400);
    expect(await api.call("POST", maps, "a: b", { "content-type": "application/yaml" })).toMatchObject({ code: 415 });
  });

  test("cannot change the prototype of all objects", async () => {
    const body =
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"proto","__proto__":{"polluted":"yes"}},"data":{"__proto__":"x"}}';
    await api.call("POST", maps, body);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("as somebody else get 403", async () => {
    expect(await api.call("GET", maps, undefined, { "impersonate-user": "jane" })).toMatchObject({ code: 403 });
  });

  test("reach the port at 127.0.0.1 alone", async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ family, address }) => family === "IPv4" && address !== "127.0.0.1");
    for (const address of ["127.0.0.2", ...others.map((each) => each.address)]) {
      const error = await new Promise<string>((resolve) => {
        const socket = createConnection({ host: address, port: api.port });
        socket.once("connect", () => resolve("connected"));
        socket.once("error", (cause: NodeJS.ErrnoException) => resolve(cause.code ?? ""));
      });
      expect(error, address).toBe("ECONNREFUSED");
    }
  });
});
