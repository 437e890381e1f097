import { describe, expect, it } from "vitest";
import { imagesOf, inApplyOrder, readUpstreamManifest } from "../../../../src/providers/real/upstream-manifest.ts";

describe("an upstream manifest", () => {
  it("is read document by document; a List stands for its items, and a comment for nothing", () => {
    const text = [
      "# nothing here\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n",
      "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: b}}]}\n",
    ].join("---\n");
    expect(readUpstreamManifest(text, "m.yaml").map(({ kind }) => kind)).toEqual(["Namespace", "Secret"]);
  });

  it("is read as kubectl reads it: a leading zero means octal", () => {
    const text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, mode: 0644}";
    expect(readUpstreamManifest(text, "m.yaml")[0]?.["mode"]).toBe(0o644);
  });

  it.each([
    ["what is no YAML", "a: [1"],
    ["an object without a name", "{apiVersion: v1, kind: Secret, metadata: {}}"],
    ["a plain list", "[1, 2]"],
    ["a List without items", "{apiVersion: v1, kind: List}"],
  ])("is refused where it holds %s", (_, text) => {
    expect(() => readUpstreamManifest(text, "m.yaml")).toThrow(
      expect.objectContaining({ code: "MANIFEST_UNREADABLE" }),
    );
  });

  it("names every image once, of init containers and of any workload", () => {
    const pod = (...images: string[]): object => ({
      initContainers: [{ image: "init" }],
      containers: images.map((image) => ({ image })),
    });
    const object = (kind: string, spec: object): ReturnType<typeof readUpstreamManifest>[number] => ({
      apiVersion: "v1",
      kind,
      metadata: { name: kind.toLowerCase() },
      spec,
    });
    expect(
      imagesOf([
        object("Pod", pod("a")),
        object("DaemonSet", { template: { spec: pod("a", "b") } }),
        object("CronJob", { jobTemplate: { spec: { template: { spec: pod("c") } } } }),
        object("Service", { ports: [] }),
        { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "without-spec" } },
      ]),
    ).toEqual(["init", "a", "b", "c"]);
  });

  it("is applied namespaces first, then custom types, the rest in its own order", () => {
    const kinds = ["ConfigMap", "CustomResourceDefinition", "DaemonSet", "Namespace", "Deployment"];
    const objects = kinds.map((kind) => ({ apiVersion: "v1", kind, metadata: { name: "a" } }));
    expect(inApplyOrder(objects).map(({ kind }) => kind)).toEqual([
      "Namespace",
      "CustomResourceDefinition",
      "ConfigMap",
      "DaemonSet",
      "Deployment",
    ]);
  });
});
