import { describe, expect, test } from "vitest";
import { openApiDocument, openApiIndex } from "../../../src/kube/openapi.ts";
import { servedKinds } from "../../../src/kube/api-schemas.ts";

describe("openApiDocument", () => {
  const versions = [
    ...new Set(
      servedKinds
        .filter(({ resource }) => resource !== undefined)
        .map(({ group, version }) => (group === "" ? version : `${group}/${version}`)),
    ),
  ];

  test.each(versions)("%s: every reference is to a schema of the document", (apiVersion) => {
    const document = openApiDocument(apiVersion);
    const names = Object.keys(document.components.schemas);
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name,
    );
    expect(references.filter((name) => name !== undefined && !names.includes(name))).toEqual([]);
    expect(Object.keys(document.paths).length).toBeGreaterThan(0);
  });

  test("a Deployment has what kubectl looks for: its kind at its paths, list types, and that the server knows fieldValidation", () => {
    const { paths, components } = openApiDocument("apps/v1");
    const item = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    const patch = item?.["patch"] as { parameters: { name: string }[] };
    expect(patch).toMatchObject({
      "x-kubernetes-group-version-kind": { group: "apps", version: "v1", kind: "Deployment" },
    });
    expect(patch.parameters.map(({ name }) => name)).toEqual(expect.arrayContaining(["dryRun", "fieldValidation"]));
    expect(components.schemas["io.k8s.api.core.v1.Container"]?.properties?.["ports"]).toEqual({
      type: "array",
      items: { $ref: "#/components/schemas/io.k8s.api.core.v1.ContainerPort" },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
      "x-kubernetes-patch-strategy": "merge",
      "x-kubernetes-patch-merge-key": "containerPort",
    });
    expect(components.schemas["io.k8s.api.apps.v1.Deployment"]?.properties?.["spec"]).toEqual({
      allOf: [{ $ref: "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec" }],
      default: {},
    });
  });

  test("a custom resource has its own schema beside what every object has", () => {
    const kind = {
      group: "example.org",
      version: "v1",
      kind: "Route",
      schema: "org.example.v1.Route",
      resource: "routes",
      namespaced: false,
      subresources: ["status"],
      openApi: { type: "object", properties: { spec: { type: "object" } } },
    };
    const { paths, components } = openApiDocument("example.org/v1", [kind]);
    expect(Object.keys(paths)).toEqual([
      "/apis/example.org/v1/routes",
      "/apis/example.org/v1/routes/{name}",
      "/apis/example.org/v1/routes/{name}/status",
    ]);
    expect(Object.keys(components.schemas["org.example.v1.Route"]?.properties ?? {})).toEqual([
      "spec",
      "apiVersion",
      "kind",
      "metadata",
    ]);
  });

  test("the index names each document by what is in it", () => {
    const index = openApiIndex(
      new Map([
        ["v1", openApiDocument("v1")],
        ["apps/v1", openApiDocument("apps/v1")],
      ]),
    );
    expect(Object.keys(index.paths)).toEqual(["api/v1", "apis/apps/v1"]);
    expect(index.paths["apis/apps/v1"]?.serverRelativeURL).toMatch(
      /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{128}$/,
    );
  });
});
