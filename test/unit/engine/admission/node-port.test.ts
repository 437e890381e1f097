import { describe, expect, it } from "vitest";
import { createStore } from "../../../../src/engine/control-plane.ts";
import type { ObjectStore } from "../../../../src/engine/store/store.ts";
import type { Service } from "../../../../src/kube/types.ts";
import { namespace, service } from "../store/objects.ts";

function newStore(): ObjectStore {
  const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };
  const store = createStore({ cluster });
  store.create(namespace("default"));
  return store;
}

const exposed = (name: string, ...ports: NonNullable<Service["spec"]["ports"]>): Service =>
  service(name, { type: "NodePort", ports });
const portsOf = ({ spec }: Service): (number | undefined)[] => (spec.ports ?? []).map(({ nodePort }) => nodePort);

describe("node ports", () => {
  it("come from the upper band of the range, the same for the same name, one for both protocols of a port", () => {
    const dns = exposed("dns", { name: "t", port: 53 }, { name: "u", port: 53, protocol: "UDP" });
    const [first = 0, second] = portsOf(newStore().create(dns));
    expect(first).toBeGreaterThanOrEqual(30_086);
    expect(first).toBeLessThanOrEqual(32_767);
    expect(second).toBe(first);
    expect(portsOf(newStore().create(dns))).toEqual([first, second]);
  });

  it("are the ones asked for, unless taken or outside", () => {
    const store = newStore();
    expect(portsOf(store.create(exposed("a", { port: 80, nodePort: 30_080 })))).toEqual([30_080]);
    expect(() => store.create(exposed("b", { port: 80, nodePort: 30_080 }))).toThrow(
      expect.objectContaining({
        code: "NODE_PORT_TAKEN",
        message: "Service default/b: nodePort 30080 belongs to Service default/a",
      }),
    );
    expect(portsOf(store.create(exposed("c", { port: 80, nodePort: 30_080, protocol: "UDP" })))).toEqual([30_080]);
    expect(() => store.create(exposed("d", { port: 80, nodePort: 80 }))).toThrow(
      expect.objectContaining({ code: "NODE_PORT_OUT_OF_RANGE" }),
    );
  });

  it("are one more, for health checks, where a load balancer keeps callers' addresses", () => {
    const store = newStore();
    const ports = [{ port: 80 }];
    const local: Partial<Service["spec"]> = { type: "LoadBalancer", externalTrafficPolicy: "Local", ports };
    const created = store.create(service("a", local));
    const { healthCheckNodePort: given = 0, ...asWritten } = created.spec;
    const metadata = { name: "a", namespace: "default" };
    expect(given).toBeGreaterThanOrEqual(30_086);
    expect(portsOf(created)).not.toContain(given);
    // Who applies the manifest again does not know it.
    expect(store.update<Service>({ ...created, metadata, spec: asWritten }).spec.healthCheckNodePort).toBe(given);
    expect(() => store.create(exposed("b", { port: 80, nodePort: given }))).toThrow(
      expect.objectContaining({ code: "NODE_PORT_TAKEN" }),
    );
    const cluster = { ...created.spec, externalTrafficPolicy: "Cluster" };
    expect(store.update<Service>({ ...created, metadata, spec: cluster }).spec.healthCheckNodePort).toBeUndefined();
  });

  it("are all given, and then none", () => {
    const store = newStore();
    const ports = Array.from({ length: 2768 }, (_, index) => ({ name: `p${index}`, port: index + 1 }));
    expect(new Set(portsOf(store.create(exposed("all", ...ports)))).size).toBe(2768);
    expect(() => store.create(exposed("more", { port: 80 }))).toThrow(
      expect.objectContaining({ code: "NODE_PORTS_EXHAUSTED" }),
    );
  });

  it("go with the type, and the defaults of the type and of session affinity with them", () => {
    const store = newStore();
    const created = store.create(service("web", { type: "NodePort", sessionAffinity: "ClientIP" }));
    expect(created.spec).toMatchObject({
      externalTrafficPolicy: "Cluster",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
    });
    const { spec } = store.update({
      ...created,
      spec: { ...created.spec, type: "ClusterIP", sessionAffinity: "None" },
    });
    expect(spec.ports).toEqual([{ port: 80, protocol: "TCP", targetPort: 80 }]);
    expect(spec).not.toHaveProperty("externalTrafficPolicy");
    expect(spec).not.toHaveProperty("sessionAffinityConfig");
  });
});
