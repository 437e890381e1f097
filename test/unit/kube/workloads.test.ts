import { describe, expect, it } from "vitest";
import type { Service } from "../../../src/kube/types.ts";
import { clusterIps, findObject, podsOfWorkload, serviceAt, serviceBackends } from "../../../src/kube/workloads.ts";
import { shopObjects, shopPod, shopService } from "../../fixtures/shop-world.ts";

const service = (name: string, objects = shopObjects()): Service =>
  findObject(objects, "Service", "shop", name) as Service;

describe("podsOfWorkload", () => {
  it("follows owners through ReplicaSets and sorts by name", () => {
    const pods = podsOfWorkload(shopObjects(), "deployment", "shop", "web");
    expect(pods?.map(({ metadata }) => metadata.name)).toEqual(["web-1", "web-2"]);
  });

  it("falls back to the selector where objects have no uid", () => {
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "api", namespace: "shop" },
      spec: { selector: { matchLabels: { app: "api" } } },
    };
    const pods = [shopPod({ name: "api-1", labels: { app: "api" } }), shopPod({ name: "other", labels: { app: "x" } })];
    expect(
      podsOfWorkload([deployment, ...pods], "deployment", "shop", "api")?.map(({ metadata }) => metadata.name),
    ).toEqual(["api-1"]);
  });

  it("is undefined for a workload that does not exist, and empty for one without pods", () => {
    const objects = shopObjects().filter(({ kind }) => kind !== "Pod");
    expect(podsOfWorkload(objects, "deployment", "shop", "ghost")).toBeUndefined();
    expect(podsOfWorkload(objects, "deployment", "shop", "web")).toEqual([]);
  });
});

describe("serviceBackends", () => {
  it("gives ready endpoints with the pods' own port", () => {
    expect(serviceBackends(shopObjects(), service("web"), 80)).toEqual([
      { address: "10.244.1.1", port: 8080, pod: { namespace: "shop", name: "web-1" } },
      { address: "10.244.1.2", port: 8080, pod: { namespace: "shop", name: "web-2" } },
    ]);
  });

  it("gives none for a port or protocol that the Service does not have", () => {
    expect(serviceBackends(shopObjects(), service("web"), 81)).toEqual([]);
    expect(serviceBackends(shopObjects(), service("web"), 80, "UDP")).toEqual([]);
  });

  it("reads Endpoints where there are no slices, without those that are not ready", () => {
    const endpoints = {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { name: "web", namespace: "shop" },
      subsets: [
        {
          addresses: [{ ip: "10.244.1.1" }],
          notReadyAddresses: [{ ip: "10.244.1.2" }],
          ports: [{ name: "main", port: 8080 }],
        },
      ],
    };
    const objects = [...shopObjects().filter(({ kind }) => kind !== "EndpointSlice"), endpoints];
    expect(serviceBackends(objects, service("web"), 80)).toEqual([{ address: "10.244.1.1", port: 8080 }]);
    expect(serviceBackends(objects, service("web"))).toEqual([{ address: "10.244.1.1" }]);
  });
});

describe("clusterIps", () => {
  it("has none for a headless Service, which no address belongs to", () => {
    const objects = shopService("peers", "None", 80, 80, []);
    expect(clusterIps(service("peers", objects))).toEqual([]);
    expect(serviceAt(objects, "None")).toBeUndefined();
  });
});
