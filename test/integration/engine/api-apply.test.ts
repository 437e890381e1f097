import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deployment, service } from "../../unit/engine/store/objects.ts";
import { ApiUnderTest, type Answer } from "./api-client.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";
const yaml = { "content-type": "application/apply-patch+yaml" };
const merge = { "content-type": "application/merge-patch+json" };
let api: ApiUnderTest;

beforeAll(async () => {
  api = await new ApiUnderTest().start();
});

afterAll(() => api.close());

interface Manager {
  manager: string;
  operation: string;
  subresource?: string;
  fieldsV1: Record<string, unknown>;
}

const managersOf = ({ body }: Answer): Manager[] =>
  (body as { metadata: { managedFields?: Manager[] } }).metadata.managedFields ?? [];
const names = (answer: Answer): string[] =>
  managersOf(answer).map(({ manager, operation, subresource }) =>
    [manager, operation, ...(subresource === undefined ? [] : [subresource])].join(" "),
  );
const map = (name: string, data: Record<string, string>): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});
const apply = (path: string, body: unknown, manager: string, more = ""): Promise<Answer> =>
  api.call("PATCH", `${path}?fieldManager=${manager}${more}`, body, yaml);

describe("server-side apply", () => {
  test("creates what is not there, from YAML as from JSON, and changes nothing the second time", async () => {
    const text = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: made }\ndata:\n  a: '1'\n";
    const made = await apply(`${maps}/made`, text, "one");
    expect(made).toMatchObject({ code: 201, body: { data: { a: "1" } } });
    expect(managersOf(made)).toMatchObject([
      { manager: "one", operation: "Apply", fieldsV1: { "f:data": { "f:a": {} } } },
    ]);
    const { version } = api.plane.store;
    expect(await apply(`${maps}/made`, map("made", { a: "1" }), "one")).toMatchObject({ code: 200 });
    expect(api.plane.store.version).toBe(version);
  });

  test("takes away what its manager applied before and nobody else owns", async () => {
    await apply(`${maps}/shrunk`, map("shrunk", { a: "1", b: "2" }), "one");
    await apply(`${maps}/shrunk`, map("shrunk", { b: "2", c: "3" }), "two");
    const { body } = await apply(`${maps}/shrunk`, map("shrunk", {}), "one");
    expect((body as { data: object }).data).toEqual({ b: "2", c: "3" });
  });

  test("of another's field is a conflict that names it, and by force a change of its owner", async () => {
    await api.call("POST", `${maps}?fieldManager=first`, map("fought", { a: "1" }));
    const refused = await apply(`${maps}/fought`, map("fought", { a: "2" }), "second");
    expect(refused).toMatchObject({
      code: 409,
      body: {
        reason: "Conflict",
        message: 'Apply failed with 1 conflict: conflict with "first" using v1: .data.a',
        details: { causes: [{ reason: "FieldManagerConflict", field: ".data.a" }] },
      },
    });
    const forced = await apply(`${maps}/fought`, map("fought", { a: "2" }), "second", "&force=true");
    expect(forced).toMatchObject({ code: 200, body: { data: { a: "2" } } });
    expect(managersOf(forced)).toMatchObject([{ manager: "second" }, { manager: "first", fieldsV1: { "f:data": {} } }]);
    expect(JSON.stringify(managersOf(forced)[1])).not.toContain("f:a");
  });

  test("needs a manager, a known type and known fields", async () => {
    expect(await api.call("PATCH", `${maps}/x`, map("x", {}), yaml)).toMatchObject({
      code: 422,
      body: { message: expect.stringContaining("fieldManager: Required value") as string },
    });
    expect(await apply(`${maps}/x`, { kind: "Secret", apiVersion: "v1" }, "m")).toMatchObject({ code: 400 });
    const unknown = await apply(`${maps}/x`, { ...map("x", {}), datum: {} }, "m");
    expect(unknown).toMatchObject({
      code: 500,
      body: { message: expect.stringContaining(".datum: field not declared in schema") as string },
    });
    expect(await apply(`${maps}/x`, "a: [b", "m")).toMatchObject({ code: 400 });
    expect(await apply(`${maps}/x`, `${"[".repeat(2000)}${"]".repeat(2000)}`, "m")).toMatchObject({ code: 400 });
    const forced = await api.call("PATCH", `${maps}/made?force=true`, {}, merge);
    expect(forced).toMatchObject({ code: 422 });
    expect(await api.call("POST", `${maps}?fieldManager=${"m".repeat(129)}`, map("x", {}))).toMatchObject({
      code: 422,
    });
    expect(await api.call("GET", `${maps}/x`)).toMatchObject({ code: 404 });
  });

  test("is checked and not stored in a dry run", async () => {
    const { version } = api.plane.store;
    expect(await apply(`${maps}/dry`, map("dry", {}), "m", "&dryRun=All")).toMatchObject({ code: 201 });
    expect(api.plane.store.version).toBe(version);
  });

  test("of a broken object is refused with its fields", async () => {
    const broken = { ...service("broken"), spec: { ports: [{ port: 70_000 }] } };
    const answer = await apply("/api/v1/namespaces/default/services/broken", broken, "m");
    expect(answer).toMatchObject({ code: 422, body: { details: { causes: [{ field: "spec.ports[0].port" }] } } });
  });
});

describe("managed fields", () => {
  test("tell who created, updated, patched and scaled an object, and who wrote its status", async () => {
    const agent = { "user-agent": "kubectl-test/v1 (linux)" };
    const made = await api.call("POST", deployments, deployment("owned", { replicas: 1 }), agent);
    expect(names(made)).toEqual(["kubectl-test Update"]);
    // A default is its writer's; what the server gives nobody asked for is nobody's.
    expect(JSON.stringify(managersOf(made))).toContain("f:revisionHistoryLimit");
    const path = `${deployments}/owned`;
    await api.call("PATCH", `${path}?fieldManager=labeller`, { metadata: { labels: { a: "b" } } }, merge);
    await api.call("PATCH", `${path}/scale?fieldManager=scaler`, { spec: { replicas: 2 } }, merge);
    const status = { status: { collisionCount: 1 } };
    expect(await api.call("PATCH", `${path}/status?fieldManager=reporter`, status, merge)).toMatchObject({
      body: status,
    });
    const now = await api.call("GET", path);
    expect(names(now).toSorted()).toEqual([
      "kubectl-test Update",
      "labeller Update",
      "reporter Update status",
      "scaler Update scale",
    ]);
    const fieldsOf = (name: string): unknown => managersOf(now).find(({ manager }) => manager === name)?.fieldsV1;
    expect(fieldsOf("labeller")).toEqual({ "f:metadata": { "f:labels": { ".": {}, "f:a": {} } } });
    expect(fieldsOf("scaler")).toEqual({ "f:spec": { "f:replicas": {} } });
    expect(fieldsOf("reporter")).toEqual({ "f:status": { "f:collisionCount": {} } });
    expect(JSON.stringify(fieldsOf("kubectl-test"))).not.toContain("f:replicas");
    expect(now).toMatchObject({ body: { spec: { replicas: 2 } } });
  });

  test("do not name an address that the server gave as anybody's", async () => {
    const made = await api.call("POST", "/api/v1/namespaces/default/services?fieldManager=m", service("addressed"));
    expect(made).toMatchObject({ code: 201, body: { spec: { clusterIP: expect.stringMatching(/^10\./) as string } } });
    expect(JSON.stringify(managersOf(made))).not.toContain("clusterIP");
  });

  test("outlive a control loop's write, and are gone when a client empties them", async () => {
    const path = `${deployments}/owned`;
    const ref = { kind: "Deployment", namespace: "default", name: "owned" };
    const live = api.plane.store.find(ref);
    if (live !== undefined) api.plane.store.updateStatus({ ...live, status: { replicas: 2 } });
    expect(names(await api.call("GET", path))).toContain("scaler Update scale");
    const reset = await api.call("PATCH", path, { metadata: { managedFields: [] } }, merge);
    expect(names(reset)).toEqual([]);
    // Until somebody applies, nothing more is tracked.
    expect(names(await api.call("PATCH", path, { metadata: { labels: { a: "c" } } }, merge))).toEqual([]);
  });
});
