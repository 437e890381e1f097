import { describe, expect, it } from "vitest";
import { useControlPlane } from "../use-control-plane.ts";
import { deployment, pod, service } from "../store/objects.ts";

const at = useControlPlane();

describe("endpoints", () => {
  it("are the ready pods, with named target ports resolved in each pod", async () => {
    const ports = [{ name: "http", containerPort: 8080 }];
    await at.applied(
      deployment("web", { replicas: 2, pod: { containers: [{ name: "main", image: "nginx", ports }] } }),
      service("web", { ports: [{ name: "front", port: 80, targetPort: "http" }] }),
    );
    expect(at.endpoints()).toMatchObject([
      { addresses: [{ targetRef: { kind: "Pod" } }, {}], ports: [{ name: "front", port: 8080, protocol: "TCP" }] },
    ]);
    expect(at.slices()).toMatchObject([
      {
        addressType: "IPv4",
        endpoints: [{ conditions: { ready: true, serving: true, terminating: false } }, {}],
        ports: [{ name: "front", port: 8080, protocol: "TCP" }],
      },
    ]);
  });

  it("keep a pod that is not ready apart, and leave out one that has ended or has no such port", async () => {
    at.runtime.outcome = ({ metadata }) =>
      metadata.name === "unready"
        ? { podIPs: ["10.244.9.9"], containers: [{ name: "main", state: { kind: "running" }, notReady: "no" }] }
        : metadata.name === "done"
          ? {
              podIPs: ["10.244.9.8"],
              containers: [{ name: "main", state: { kind: "exited", exitCode: 0, message: "done" } }],
            }
          : undefined;
    const labels = { app: "web" };
    await at.applied(
      service("web", { ports: [{ port: 80, targetPort: "http" }] }),
      pod("unready", {
        labels,
        spec: { containers: [{ name: "main", image: "nginx", ports: [{ name: "http", containerPort: 80 }] }] },
      }),
      pod("done", { labels, spec: { restartPolicy: "Never" } }),
      pod("portless", { labels }),
    );
    expect(at.endpoints()).toEqual([
      { notReadyAddresses: [expect.objectContaining({ ip: "10.244.9.9" })], ports: [{ port: 80, protocol: "TCP" }] },
    ]);
    expect(at.slices()[0]?.endpoints).toMatchObject([
      { addresses: ["10.244.9.9"], conditions: { ready: false, serving: false } },
    ]);
  });

  it("follow a change of the selector, and go with the Service", async () => {
    await at.applied(deployment("web"), deployment("api"), service("web"));
    const before = at.slices()[0]?.endpoints[0]?.addresses;
    await at.applied(service("web", { selector: { app: "api" } }));
    expect(at.slices()[0]?.endpoints).toHaveLength(1);
    expect(at.slices()[0]?.endpoints[0]?.addresses).not.toEqual(before);
    await at.plane.delete([{ kind: "Service", name: "web" }]);
    await at.plane.settle();
    expect([at.plane.store.get("Endpoints", "web", "default"), ...at.slices()]).toEqual([undefined]);
  });

  it("written by hand stay, and are mirrored into slices", async () => {
    const own = {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { name: "ext", namespace: "default" },
      subsets: [{ addresses: [{ ip: "192.0.2.7" }], ports: [{ port: 5432 }] }],
    };
    await at.applied({ ...service("ext", { ports: [{ port: 5432 }] }), spec: { ports: [{ port: 5432 }] } }, own);
    expect(at.endpoints("ext")).toEqual(own.subsets);
    expect(at.slices("ext")).toMatchObject([
      {
        endpoints: [{ addresses: ["192.0.2.7"], conditions: { ready: true } }],
        ports: [{ port: 5432, protocol: "TCP" }],
      },
    ]);
  });

  it("are split into slices of a hundred", async () => {
    await at.applied(deployment("web", { replicas: 130 }), service("web"));
    expect(at.slices().map((slice) => slice.endpoints.length)).toEqual([100, 30]);
    at.plane.scale({ kind: "Deployment", name: "web" }, 20);
    await at.plane.settle();
    expect(at.slices().map((slice) => slice.endpoints.length)).toEqual([20]);
  });

  it("carry a pod's hostname where its subdomain is the Service", async () => {
    await at.applied(
      service("db", { clusterIP: "None" }),
      pod("db-0", { labels: { app: "db" }, spec: { hostname: "db-0", subdomain: "db" } }),
    );
    expect(at.slices("db")[0]?.endpoints[0]).toMatchObject({ hostname: "db-0" });
    expect(at.plane.store.get("Endpoints", "db", "default")?.metadata.labels).toEqual({
      "service.kubernetes.io/headless": "",
    });
  });
});
