import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiUnderTest } from "./api-client.ts";

let api: ApiUnderTest;

beforeAll(async () => {
  api = await new ApiUnderTest().start();
});

afterAll(() => api.close());

interface Document {
  components: { schemas: Record<string, { properties?: Record<string, unknown> }> };
}

async function addresses(): Promise<Record<string, string>> {
  const { body } = await api.call("GET", "/openapi/v3");
  const { paths } = body as { paths: Record<string, { serverRelativeURL: string }> };
  return Object.fromEntries(Object.entries(paths).map(([path, { serverRelativeURL }]) => [path, serverRelativeURL]));
}

const routes = (field: string): object => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "routes.example.org" },
  spec: {
    group: "example.org",
    scope: "Namespaced",
    names: { plural: "routes", singular: "route", kind: "Route", listKind: "RouteList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { [field]: { type: "string" } } } },
          },
        },
      },
    ],
  },
});

test("documents are known by their hash: kept for ever under it, asked for again without it", async () => {
  const apps = (await addresses())["apis/apps/v1"] ?? "";
  expect(apps).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{128}$/);
  const kept = await api.call("GET", apps);
  expect(kept.headers["cache-control"]).toContain("immutable");
  expect((kept.body as Document).components.schemas["io.k8s.api.apps.v1.DeploymentSpec"]?.properties).toHaveProperty(
    "replicas",
  );
  const { etag = "" } = kept.headers;
  const plain = "/openapi/v3/apis/apps/v1";
  expect((await api.call("GET", plain)).headers["cache-control"]).toContain("no-cache");
  expect(await api.call("GET", plain, undefined, { "if-none-match": etag })).toMatchObject({ code: 304 });
  expect(await api.call("GET", plain, undefined, { "if-none-match": '"other"' })).toMatchObject({ code: 200 });
  const moved = await api.call("GET", `${plain}?hash=0`);
  expect(moved).toMatchObject({ code: 301, headers: { location: apps } });
  expect(await api.call("GET", "/openapi/v3/apis/nosuch/v1")).toMatchObject({ code: 404 });
});

test("a definition of a custom resource is a document of its own, another one once it changes", async () => {
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  expect(await addresses()).not.toHaveProperty("apis/example.org/v1");
  await api.call("POST", definitions, routes("target"));
  const first = (await addresses())["apis/example.org/v1"] ?? "";
  const schemas = async (address: string): Promise<string> =>
    JSON.stringify(((await api.call("GET", address)).body as Document).components.schemas["org.example.v1.Route"]);
  expect(await schemas(first)).toContain('"target"');
  await api.call("PATCH", `${definitions}/routes.example.org`, routes("goal"), {
    "content-type": "application/merge-patch+json",
  });
  const second = (await addresses())["apis/example.org/v1"] ?? "";
  expect(second).not.toBe(first);
  expect(await schemas(second)).toContain('"goal"');
  await api.call("DELETE", `${definitions}/routes.example.org`);
  expect(await addresses()).not.toHaveProperty("apis/example.org/v1");
});
