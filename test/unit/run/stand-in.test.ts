import { describe, expect, it } from "vitest";
import type { Service } from "../../../src/kube/types.ts";
import type { OracleWorld } from "../../../src/policy/types.ts";
import type { Flow } from "../../../src/providers/types.ts";
import { standInBehind } from "../../../src/run/stand-in.ts";

const pod = (namespace: string, name: string, labels: Record<string, string>) => ({
  namespace,
  name,
  labels,
  addresses: [],
  ports: [],
});
const world: OracleWorld = {
  namespaces: [],
  pods: [pod("shop", "db", { app: "db" }), pod("shop", "decoy", { app: "decoy" }), pod("other", "db", { app: "db" })],
  policies: [],
};

function service(selector?: Record<string, string>): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name: "db" },
    spec: { ports: [{ port: 80 }], ...(selector === undefined ? {} : { selector }) },
  };
}

function behind(names: string[], services = [service({ app: "db" })], destination = "shop/service/db") {
  const to = names.map((name) => ({ kind: "pod" as const, namespace: "shop", name }));
  const from = { kind: "external" as const };
  return standInBehind({ destination, flow: { from, to, address: "10.96.0.2", protocol: "tcp" } }, services, world);
}

describe("a stand-in behind a Service", () => {
  it("is a pod that the lab's Service does not select, alone or among the lab's own", () => {
    expect(behind(["decoy"])).toBe("shop/decoy is behind shop/service/db, which the lab's Service does not select");
    expect(behind(["db", "decoy"])).toContain("shop/decoy");
  });

  it("is not the lab's own pod, nor nobody", () => {
    expect(behind(["db"])).toBeUndefined();
    expect(behind([])).toBeUndefined();
  });

  it("cannot be told of a Service that the lab does not have, or that selects nothing", () => {
    expect(behind(["decoy"], [])).toBeUndefined();
    expect(behind(["decoy"], [service()])).toBeUndefined();
    expect(behind(["decoy"], [service({})])).toBeUndefined();
    expect(behind(["decoy"], undefined, "shop/decoy")).toBeUndefined();
  });

  it("is a host, or a pod of another namespace, that the Service was given as endpoints", () => {
    const flow = { from: { kind: "external" as const }, address: "10.96.0.2", protocol: "tcp" as const };
    const seen = (to: Flow) =>
      standInBehind({ destination: "shop/service/db", flow: to }, [service({ app: "db" })], world);
    expect(seen({ ...flow, to: [{ kind: "node", name: "worker1" }] })).toContain("node");
    expect(seen({ ...flow, to: [{ kind: "pod", namespace: "other", name: "db" }] })).toContain("other/db");
  });
});
