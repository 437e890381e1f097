import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { createStore } from "../../../../src/engine/control-plane.ts";
import { applyObjects, LAST_APPLIED } from "../../../../src/engine/store/apply.ts";
import { equalJson } from "../../../../src/engine/store/json.ts";
import { mergeApplied } from "../../../../src/engine/store/merge.ts";
import type { ObjectStore } from "../../../../src/engine/store/store.ts";
import type { Deployment, KubeObject } from "../../../../src/kube/types.ts";
import { configMap, deployment, namespace, pod, service } from "./objects.ts";

let store: ObjectStore;
const apply = (...objects: KubeObject[]): string[] => applyObjects(store, objects).map(({ action }) => action);
const data = (name: string): unknown => store.find({ kind: "ConfigMap", namespace: "default", name })?.["data"];
const web = (): Deployment | undefined => store.get("Deployment", "web", "default");

beforeEach(() => {
  store = createStore({
    cluster: { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" },
  });
  store.create(namespace("default"));
});

describe("apply", () => {
  it("says created, unchanged, configured", () => {
    expect(apply(deployment("web", { replicas: 2 }), service("web"))).toEqual(["created", "created"]);
    expect(apply(deployment("web", { replicas: 2 }), service("web"))).toEqual(["unchanged", "unchanged"]);
    expect(apply(deployment("web", { replicas: 3 }), service("web"))).toEqual(["configured", "unchanged"]);
  });

  it("accepts all objects or none", () => {
    const before = store.version;
    expect(() => apply(configMap("a"), configMap("b", {}, "nowhere"))).toThrow(
      expect.objectContaining({ code: "NAMESPACE_NOT_FOUND" }),
    );
    expect(data("a")).toBeUndefined();
    expect(store.version).toBe(before);
  });

  it("takes a namespace and what is in it together", () => {
    expect(apply(namespace("shop"), configMap("a", {}, "shop"))).toEqual(["created", "created"]);
  });

  it("removes what was applied and is no longer, and leaves what others set", () => {
    apply(configMap("a", { mine: "1", dropped: "1" }));
    store.update({
      ...store.find({ kind: "ConfigMap", name: "a" }),
      data: { mine: "1", dropped: "1", theirs: "1" },
    } as never);
    apply(configMap("a", { mine: "2" }));
    expect(data("a")).toEqual({ mine: "2", theirs: "1" });
  });

  it("keeps the replicas of a scale where the manifest names none", () => {
    apply(deployment("web"));
    store.update({ ...web(), spec: { ...web()?.spec, replicas: 5 } } as never);
    apply(deployment("web", { image: "nginx:2" }));
    expect(web()?.spec.replicas).toBe(5);
  });

  it("merges containers by their name, defaults included", () => {
    apply(deployment("web"));
    apply(deployment("web", { image: "nginx:1.27" }));
    expect(web()?.spec.template.spec.containers).toMatchObject([{ name: "main", image: "nginx:1.27" }]);
    const two = deployment("web");
    two.spec.template.spec.containers.push({ name: "side", image: "busybox" });
    apply(two);
    apply(deployment("web"));
    expect(web()?.spec.template.spec.containers.map(({ name }) => name)).toEqual(["main"]);
  });

  it("keeps an allocated address when the manifest does not name one", () => {
    apply(service("web"));
    const address = store.get("Service", "web", "default")?.spec.clusterIP;
    apply(service("web", { ports: [{ port: 8080 }] }));
    expect(store.get("Service", "web", "default")?.spec).toMatchObject({
      clusterIP: address,
      ports: [{ port: 8080, targetPort: 8080 }],
    });
  });

  it("takes back what `get -o yaml` printed", () => {
    apply(deployment("web"));
    expect(apply(structuredClone(web()) as KubeObject)).toEqual(["configured"]);
    expect(apply(structuredClone(web()) as KubeObject)).toEqual(["unchanged"]);
  });

  it("takes nothing away where the annotation is not readable", () => {
    apply(configMap("a", { key: "1" }));
    const live = store.find({ kind: "ConfigMap", name: "a" });
    store.update({ ...live, metadata: { ...live?.metadata, annotations: { [LAST_APPLIED]: "{" } } } as never);
    apply(configMap("a", { other: "1" }));
    expect(data("a")).toEqual({ key: "1", other: "1" });
  });

  it("passes warnings on", () => {
    const [result] = applyObjects(store, [configMap("a")], () => [{ code: "X", message: "careful" }]);
    expect(result).toEqual({
      ref: { kind: "ConfigMap", namespace: "default", name: "a" },
      action: "created",
      warnings: [{ code: "X", message: "careful" }],
    });
  });
});

describe("fixed fields", () => {
  it.each([
    [
      "a Deployment's selector",
      deployment("web"),
      {
        ...deployment("web"),
        spec: {
          ...deployment("web").spec,
          selector: { matchLabels: { app: "web", tier: "x" } },
          template: { ...deployment("web").spec.template, metadata: { labels: { app: "web", tier: "x" } } },
        },
      },
    ],
    ["a Service's clusterIP", service("web"), service("web", { clusterIP: "10.96.9.9" })],
    [
      "a pod's ports",
      pod("web"),
      pod("web", { spec: { containers: [{ name: "main", image: "nginx", ports: [{ containerPort: 80 }] }] } }),
    ],
  ] as [string, KubeObject, KubeObject][])("refuses a change of %s", (_what, before, after) => {
    apply(before);
    expect(() => apply(after)).toThrow(expect.objectContaining({ code: "FIELD_IMMUTABLE" }));
  });

  it("lets a pod's image and its binding change", () => {
    apply(pod("web"));
    expect(apply(pod("web", { spec: { containers: [{ name: "main", image: "nginx:2" }] } }))).toEqual(["configured"]);
  });

  it("refuses a workload that does not select its own pods, and a pod without containers", () => {
    const stray = deployment("web", { spec: { selector: { matchLabels: { app: "other" } } } });
    expect(() => apply(stray)).toThrow("spec.selector (app=other) does not match the labels of spec.template");
    expect(() => apply(pod("web", { spec: { containers: [] } }))).toThrow(
      expect.objectContaining({ code: "OBJECT_INVALID" }),
    );
  });
});

describe("the three-way merge", () => {
  const value = fc.jsonValue({ maxDepth: 3 }).filter((json) => !JSON.stringify(json).includes("null"));
  const record = fc.dictionary(fc.constantFrom("a", "b", "c"), value);
  const atomic = (): undefined => undefined;

  it("with nothing of others gives what was applied last", () => {
    fc.assert(
      fc.property(record, record, (first, second) => {
        expect(equalJson(mergeApplied(first, first, second, atomic), second)).toBe(true);
      }),
    );
  });

  it("takes fields for a map's own, whatever every object has by these names", () => {
    const named = { labels: JSON.parse('{"__proto__": {"a": "b"}, "valueOf": "", "constructor": "c"}') as unknown };
    expect(equalJson({}, { valueOf: "" })).toBe(false);
    const added = mergeApplied({ labels: {} }, { labels: {} }, named, atomic);
    expect(JSON.stringify(added)).toBe(JSON.stringify(named));
    expect(JSON.stringify(mergeApplied(named, added, { labels: {} }, atomic))).toBe('{"labels":{}}');
  });

  it("applied twice changes nothing the second time", () => {
    fc.assert(
      fc.property(record, record, record, (last, live, applied) => {
        const once = mergeApplied(last, live, applied, atomic);
        expect(equalJson(mergeApplied(applied, once, applied, atomic), once)).toBe(true);
      }),
    );
  });
});
