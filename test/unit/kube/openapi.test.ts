import { describe, expect, test } from "vitest";
import { openApiDocument } from "../../../src/kube/openapi.ts";
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
      description: expect.stringMatching(/^List of ports to expose from the container\./) as string,
      type: "array",
      items: { $ref: "#/components/schemas/io.k8s.api.core.v1.ContainerPort" },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
      "x-kubernetes-patch-strategy": "merge",
      "x-kubernetes-patch-merge-key": "containerPort",
    });
    expect(components.schemas["io.k8s.api.apps.v1.Deployment"]?.properties?.["spec"]).toEqual({
      description: "Specification of the desired behavior of the Deployment.",
      allOf: [{ $ref: "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec" }],
      default: {},
    });
  });

  test("every type and every field of a kind is described; a reference keeps its text beside it", () => {
    const { schemas } = openApiDocument("networking.k8s.io/v1").components;
    const own = Object.entries(schemas).filter(([name]) => /networking\.v1\.\w+(?<!List)$/.test(name));
    expect(own.length).toBeGreaterThan(20);
    const bare = own.flatMap(([name, schema]) =>
      [schema, ...Object.values(schema.properties ?? {})]
        .filter((one) => one.description === undefined)
        .map(() => name),
    );
    // Its `http` has none upstream: in Go it is an embedded structure.
    expect(bare).toEqual(["io.k8s.api.networking.v1.IngressRule"]);
    const rule = "#/components/schemas/io.k8s.api.networking.v1.NetworkPolicySpec";
    expect(schemas["io.k8s.api.networking.v1.NetworkPolicy"]?.properties?.["spec"]).toMatchObject({
      description: "spec represents the specification of the desired behavior for this NetworkPolicy.",
      allOf: [{ $ref: rule }],
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
});
