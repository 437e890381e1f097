import { describe, expect, it } from "vitest";
import { createStore } from "../../../../src/engine/control-plane.ts";
import type { ObjectStore } from "../../../../src/engine/store/store.ts";
import type { Service } from "../../../../src/kube/types.ts";
import { namespace, service } from "../store/objects.ts";

function storeWith(serviceCidr: string): ObjectStore {
  const store = createStore({
    cluster: { serviceCidrs: [serviceCidr], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" },
  });
  store.create(namespace("default"));
  return store;
}

const addressOf = (created: Service): string | undefined => created.spec.clusterIP;

describe("Service addresses", () => {
  it("come from the upper band of the range, the same for the same name", () => {
    const address = addressOf(storeWith("10.96.0.0/16").create(service("web")));
    expect(address).toBe(addressOf(storeWith("10.96.0.0/16").create(service("web"))));
    const [, , third = 0, fourth = 0] = (address ?? "").split(".").map(Number);
    expect(third * 256 + fourth).toBeGreaterThan(256);
  });

  it("fill a small range to its last address, none twice, then say so", () => {
    const store = storeWith("10.96.0.0/28");
    const addresses = Array.from({ length: 14 }, (_, index) => addressOf(store.create(service(`s${index}`))));
    expect(new Set(addresses).size).toBe(14);
    expect(addresses).not.toContain("10.96.0.0");
    expect(addresses).not.toContain("10.96.0.15");
    expect(() => store.create(service("more"))).toThrow(expect.objectContaining({ code: "SERVICE_CIDR_EXHAUSTED" }));
    store.delete({ kind: "Service", name: "s3" });
    expect(addressOf(store.create(service("more")))).toBe(addresses[3]);
  });

  it("are the ones asked for, unless taken, outside, or no address", () => {
    const store = storeWith("10.96.0.0/16");
    expect(addressOf(store.create(service("a", { clusterIP: "10.96.0.10" })))).toBe("10.96.0.10");
    expect(() => store.create(service("b", { clusterIP: "10.96.0.10" }))).toThrow(
      "clusterIP 10.96.0.10 belongs to Service default/a",
    );
    expect(() => store.create(service("b", { clusterIP: "10.97.0.1" }))).toThrow(
      expect.objectContaining({ code: "CLUSTER_IP_OUT_OF_RANGE" }),
    );
    expect(() => store.create(service("b", { clusterIP: "10.96.0.300" }))).toThrow(
      expect.objectContaining({ code: "OBJECT_INVALID" }),
    );
  });

  it("are none for a headless Service and an ExternalName", () => {
    const store = storeWith("10.96.0.0/16");
    expect(store.create(service("a", { clusterIP: "None" })).spec).toMatchObject({
      clusterIP: "None",
      clusterIPs: ["None"],
    });
    expect(
      store.create(service("b", { type: "ExternalName", externalName: "example.com" })).spec.clusterIP,
    ).toBeUndefined();
  });
});

describe("defaults", () => {
  it("are what the API server fills in", () => {
    const store = storeWith("10.96.0.0/16");
    expect(store.create(service("web")).spec).toMatchObject({
      type: "ClusterIP",
      sessionAffinity: "None",
      ipFamilies: ["IPv4"],
      ports: [{ port: 80, targetPort: 80, protocol: "TCP" }],
    });
    expect(store.get("Namespace", "default")?.metadata.labels).toEqual({ "kubernetes.io/metadata.name": "default" });
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "p" },
      spec: { podSelector: {}, egress: [{ ports: [{ port: 53 }] }] },
    };
    expect(store.create(policy)["spec"]).toMatchObject({
      policyTypes: ["Ingress", "Egress"],
      egress: [{ ports: [{ port: 53, protocol: "TCP" }] }],
    });
  });
});

describe("protected namespaces", () => {
  it.each(["default"])("%s cannot be deleted", (name) => {
    expect(() => storeWith("10.96.0.0/16").delete({ kind: "Namespace", name })).toThrow(
      expect.objectContaining({ code: "NAMESPACE_PROTECTED" }),
    );
  });
});

describe("families of a Service", () => {
  const dual = (): ObjectStore => {
    const serviceCidrs = ["10.96.0.0/16", "fd00:10:96::/112"];
    const store = createStore({ cluster: { serviceCidrs, dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" } });
    store.create(namespace("default"));
    return store;
  };
  const facts = ({ spec }: Service): unknown => [
    spec.ipFamilyPolicy,
    spec.ipFamilies,
    (spec.clusterIPs ?? []).map((address) => (address === "None" ? "None" : address.includes(":") ? "v6" : "v4")),
  ];
  it.each<[string, Partial<Service["spec"]>, unknown]>([
    ["none said: the cluster's first", {}, ["SingleStack", ["IPv4"], ["v4"]]],
    ["PreferDualStack", { ipFamilyPolicy: "PreferDualStack" }, ["PreferDualStack", ["IPv4", "IPv6"], ["v4", "v6"]]],
    ["RequireDualStack", { ipFamilyPolicy: "RequireDualStack" }, ["RequireDualStack", ["IPv4", "IPv6"], ["v4", "v6"]]],
    ["one family", { ipFamilies: ["IPv6"] }, ["SingleStack", ["IPv6"], ["v6"]]],
    [
      "IPv6 first",
      { ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv6"] },
      ["PreferDualStack", ["IPv6", "IPv4"], ["v6", "v4"]],
    ],
    ["an address of IPv6", { clusterIP: "fd00:10:96::5" }, ["SingleStack", ["IPv6"], ["v6"]]],
    ["headless", { clusterIP: "None", selector: { app: "a" } }, ["SingleStack", ["IPv4"], ["None"]]],
    [
      "headless without selector",
      { clusterIP: "None", selector: {} },
      ["RequireDualStack", ["IPv4", "IPv6"], ["None"]],
    ],
  ])("%s", (_name, spec, expected) => {
    expect(facts(dual().create(service("web", spec)))).toEqual(expected);
  });

  it.each<[string, Partial<Service["spec"]>, string]>([
    [
      "two of them in SingleStack",
      { ipFamilies: ["IPv4", "IPv6"] },
      "Service default/web: two families, and its ipFamilyPolicy is SingleStack",
    ],
    [
      "an address of another family",
      { ipFamilies: ["IPv4"], clusterIP: "fd00:10:96::5" },
      "Service default/web: clusterIPs fd00:10:96::5 are not of the ipFamilies IPv4",
    ],
    [
      "one twice",
      { ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv4", "IPv4"] },
      "Service default/web: IPv4 twice among its families",
    ],
  ])("are refused: %s", (_name, spec, message) => {
    expect(() => dual().create(service("web", spec))).toThrow(
      expect.objectContaining({ code: "SERVICE_FAMILIES", message }),
    );
  });

  it("are one on a cluster with one, whatever is preferred; two cannot be required", () => {
    const store = storeWith("10.96.0.0/16");
    expect(facts(store.create(service("a", { ipFamilyPolicy: "PreferDualStack" })))).toEqual([
      "PreferDualStack",
      ["IPv4"],
      ["v4"],
    ]);
    for (const spec of [{ ipFamilyPolicy: "RequireDualStack" as const }, { ipFamilies: ["IPv6" as const] }]) {
      expect(() => store.create(service("b", spec))).toThrow(expect.objectContaining({ code: "SERVICE_FAMILIES" }));
    }
  });

  it("a second address comes and goes with the policy, and the first stays", () => {
    const store = dual();
    const before = store.create(service("web"));
    const change = (ipFamilyPolicy: "PreferDualStack" | "SingleStack"): Service => {
      const now = store.get("Service", "web", "default") as Service;
      return store.update<Service>({ ...now, spec: { ...now.spec, ipFamilyPolicy } });
    };
    const both = change("PreferDualStack");
    expect(facts(both)).toEqual(["PreferDualStack", ["IPv4", "IPv6"], ["v4", "v6"]]);
    expect(both.spec.clusterIP).toBe(before.spec.clusterIP);
    expect(facts(change("SingleStack"))).toEqual(["SingleStack", ["IPv4"], ["v4"]]);
    expect(change("PreferDualStack").spec.clusterIPs).toEqual(both.spec.clusterIPs);
    expect(() =>
      store.update<Service>({
        ...(store.get("Service", "web", "default") as Service),
        spec: { ...both.spec, ipFamilies: ["IPv6", "IPv4"] },
      }),
    ).toThrow(expect.objectContaining({ code: "FIELD_IMMUTABLE" }));
  });
});
