import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/kube/types.ts";
import { mutantsOf, type Mutant } from "../../../src/run/mutants.ts";
import { differingPaths, orderedJson, sameJson, valueAt, withValue, without } from "../../../src/run/object-edits.ts";
import { equalService } from "../../../src/run/service-mutants.ts";
import type { Service } from "../../../src/kube/types.ts";
import { manifest, planOf, step, task } from "./reference-plan.ts";

const file = "solution.yaml";

function mutants(solution: string, scenario = ""): Mutant[] {
  const steps = scenario === "" ? [] : [step("apply", manifest("lab.yaml", scenario))];
  const plan = planOf(steps, [task(manifest(file, solution))]);
  return mutantsOf({ plan, deletedRefs: () => [], readText: (name) => (name === file ? solution : undefined) });
}

const told = (made: readonly Mutant[]): string[] => made.map(({ line, what }) => `${line} ${what}`);

const ingress = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db, namespace: shop }
spec:
  podSelector: { matchLabels: { app: db } }
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: { matchLabels: { app: web } }
        - namespaceSelector: { matchLabels: { team: ops } }
          podSelector: { matchLabels: { app: probe } }
      ports: [{ port: 5432 }]
`;

const admin = `apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: { name: db }
spec:
  priority: 5
  subject: { namespaces: { matchLabels: { team: shop } } }
  ingress:
    - action: Pass
      from:
        - namespaces: { matchLabels: { team: ops } }
        - namespaces: { matchLabels: { team: dev } }
    - action: Deny
      from: [{ namespaces: {} }]
      ports: [{ portNumber: { port: 80 } }]
`;

describe("mutants of a cluster-wide policy", () => {
  test("change one thing each, at its line", () => {
    expect(told(mutants(admin))).toEqual([
      "1 left out",
      "5 priority 0: before others",
      "5 priority 1000: behind others",
      "6 subject: every pod",
      "8 ingress rule 1 left out",
      "8 ingress rule 1: Allow in place of Pass",
      "8 ingress rule 1: Deny in place of Pass",
      "8 ingress rule 1 behind rule 2",
      "10 ingress rule 1: all pods",
      "10 ingress rule 1, peer 1 left out",
      "11 ingress rule 1, peer 2 left out",
      "12 ingress rule 2 left out",
      "12 ingress rule 2: Allow in place of Deny",
      "12 ingress rule 2: Pass in place of Deny",
      "14 ingress rule 2 without ports: all",
    ]);
    expect(mutants(admin)[0]?.name).toBe("db");
  });

  test("of v1alpha2 have the other tier, too, and its own word for Allow", () => {
    const text = admin
      .replace("v1alpha1", "v1alpha2")
      .replace("AdminNetworkPolicy", "ClusterNetworkPolicy")
      .replace(
        "ports: [{ portNumber: { port: 80 } }]",
        "protocols: [{ tcp: { destinationPort: { number: 80 } } }, { destinationNamedPort: web }]",
      )
      .replace("priority: 5", "priority: 5\n  tier: Admin");
    const lines = told(mutants(text));
    for (const line of [
      "6 tier Baseline",
      "13 ingress rule 2: Accept in place of Deny",
      "15 ingress rule 2 without protocols: all",
      "15 ingress rule 2, protocols 2 left out",
    ]) {
      expect(lines).toContain(line);
    }
  });
});

describe("mutants of a policy", () => {
  test("change one thing each, at its line", () => {
    expect(told(mutants(ingress))).toEqual([
      "1 left out",
      "5 podSelector emptied: every pod of the namespace",
      "5 podSelector selects nobody",
      "6 policyTypes Egress in place of Ingress",
      "6 policyTypes with Egress, too",
      "8 ingress rule 1 left out",
      "9 ingress rule 1 without from: everyone",
      "9 ingress rule 1, peer 1 left out",
      "9 ingress rule 1, peer 1: podSelector emptied",
      "9 ingress rule 1, peer 1: podSelector selects nobody",
      "9 ingress rule 1, peer 1: namespaceSelector: {} added, pods of every namespace",
      "10 ingress rule 1, peer 2 left out",
      "11 ingress rule 1, peer 2: podSelector emptied",
      "11 ingress rule 1, peer 2: podSelector selects nobody",
      "10 ingress rule 1, peer 2: namespaceSelector emptied",
      "10 ingress rule 1, peer 2: namespaceSelector selects nobody",
      "10 ingress rule 1, peer 2: namespaceSelector left out, the policy's own namespace",
      '10 ingress rule 1, peer 2: the selectors as two peers, "or" in place of "and"',
      "12 ingress rule 1 without ports: every port",
      "12 ingress rule 1, port 5432/TCP: every port of TCP",
      "12 ingress rule 1, port 5432/TCP changed to 5433",
      "12 ingress rule 1, port 5432/TCP with UDP in place of TCP",
    ]);
  });

  test("have what they say, and leave the rest as it was", () => {
    const all = mutants(ingress);
    const spec = (what: string): unknown => {
      const { object, original } = all.find((each) => each.what.includes(what)) as Mutant;
      expect(differingPaths(original, object).length).toBeGreaterThan(0);
      return object?.["spec"];
    };
    expect(spec("without from")).toMatchObject({ ingress: [{ ports: [{ port: 5432 }] }] });
    expect(spec('"or"')).toMatchObject({
      ingress: [{ from: [{}, { namespaceSelector: {} }, { podSelector: { matchLabels: { app: "probe" } } }] }],
    });
    expect(spec("Egress, too")).toMatchObject({ policyTypes: ["Ingress", "Egress"] });
    expect(all[0]).toMatchObject({ object: undefined, solution: [], kind: "NetworkPolicy", name: "shop/db", file });
    // Where a manifest names one object, every other mutant has it.
    for (const { solution } of all.slice(1)) expect(solution).toHaveLength(1);
  });

  test("change blocks, ranges and one of two directions", () => {
    const made = mutants(`apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: out, namespace: shop }
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  egress:
    - to: [{ ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/16] } }]
      ports: [{ protocol: UDP, port: 100, endPort: 200 }]
`);
    const whats = made.map(({ what }) => what);
    expect(whats).toEqual([
      "left out",
      "podSelector selects nobody",
      "policyTypes without Ingress",
      "policyTypes without Egress",
      "egress rule 1 left out",
      "egress rule 1 without to: everyone",
      "egress rule 1, peer 1: ipBlock widened to 0.0.0.0/0",
      "egress rule 1, peer 1: ipBlock narrowed to 10.0.0.0/32",
      "egress rule 1, peer 1: ipBlock without except 10.1.0.0/16",
      "egress rule 1 without ports: every port",
      "egress rule 1, port 100/UDP: every port of UDP",
      "egress rule 1, port 100/UDP changed to 101",
      "egress rule 1, port 100/UDP without endPort 200",
      "egress rule 1, port 100/UDP with TCP in place of UDP",
    ]);
    const types = made.slice(2, 4).map(({ object }) => valueAt(object, ["spec", "policyTypes"]));
    expect(types).toEqual([["Egress"], ["Ingress"]]);
  });
});

const nodePort = `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  type: NodePort
  sessionAffinity: ClientIP
  selector: { app: web }
  ports: [{ port: 80, targetPort: http, nodePort: 30080 }]
`;
const clusterIp = `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  selector: { app: web }
  ports: [{ port: 80, targetPort: http }]
`;

describe("mutants of a Service", () => {
  test("change what decides where connections go", () => {
    const made = mutants(nodePort);
    expect(told(made)).toEqual([
      "1 left out",
      "7 selector selects nobody",
      "5 type ClusterIP in place of NodePort",
      "4 externalTrafficPolicy Local",
      "6 sessionAffinity left out",
      "8 port 80 changed to 81",
      "8 targetPort http changed to nobody",
      "8 nodePort 30080 changed to 30081",
    ]);
    expect(made[2]?.object?.["spec"]).toMatchObject({ type: "ClusterIP", ports: [{ port: 80, targetPort: "http" }] });
    expect(valueAt(made[2]?.object, ["spec", "ports", 0, "nodePort"])).toBeUndefined();
  });

  test("of one that is there put each field back, and leaving it out is the untouched one", () => {
    const made = mutants(nodePort, clusterIp);
    const [leftOut] = made;
    expect(leftOut?.object).toEqual(manifest("", clusterIp)[0]?.object);
    expect(made.filter(({ change }) => change === "put back").map(({ what }) => what)).toEqual([
      "spec.type left out",
      "spec.sessionAffinity left out",
      "spec.ports.0.nodePort left out",
    ]);
    expect(new Set(made.map(({ object }) => orderedJson(object))).size).toBe(made.length);
  });

  test("of a Service for a node's own pods take the others in", () => {
    const local = clusterIp.replace("selector", "internalTrafficPolicy: Local\n  selector");
    expect(mutants(local).map(({ what }) => what)).toContain("internalTrafficPolicy Cluster");
  });

  test("of an alias name another, and are equal where the name is the same", () => {
    const alias = clusterIp.replace("selector", "type: ExternalName\n  externalName: db.data.svc\n  selector");
    expect(mutants(alias).map(({ what }) => what)).toContain("externalName nobody.data.svc");
    const service = manifest("", alias)[0]?.object as Service;
    expect(equalService(service, without(service, ["spec", "selector"]) as Service)).toContain("alias");
    expect(equalService(service, withValue(service, ["spec", "externalName"], "db.other") as Service)).toBeUndefined();
    expect(equalService(service, without(service, ["spec", "type"]) as Service)).toBeUndefined();
  });

  test("of a headless one without named ports are equal where only a port differs", () => {
    const headless = manifest("", clusterIp.replace("selector", "clusterIP: None\n  selector"))[0]?.object as Service;
    const moved = withValue(headless, ["spec", "ports", 0, "port"], 81) as Service;
    expect(equalService(headless, moved)).toContain("names alone");
    expect(equalService(headless, without(headless, ["spec", "clusterIP"]) as Service)).toBeUndefined();
    const named = withValue(moved, ["spec", "ports", 0, "name"], "http") as Service;
    expect(equalService(headless, named)).toBeUndefined();
  });
});

test("a workload's changed fields are put back one by one", () => {
  const deployment = (template: string): string =>
    `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web, namespace: shop }\nspec: { replicas: 2, template: ${template} }\n`;
  const made = mutants(
    deployment("{ metadata: { annotations: { at: now } }, spec: { dnsPolicy: Default } }"),
    deployment("{ spec: { dnsPolicy: ClusterFirst } }"),
  );
  expect(made.map(({ what }) => what)).toEqual([
    "left out",
    "spec.template.metadata left out",
    "spec.template.spec.dnsPolicy as it was",
  ]);
});

describe("edits of objects", () => {
  const object: KubeObject = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { a: [1, 2] } };

  test("leave the object itself as it is", () => {
    const before = structuredClone(object);
    withValue(object, ["data", "a", 0], 3);
    without(object, ["data", "a", 0]);
    expect(object).toEqual(before);
    expect(without(object, ["data", "a", 0])["data"]).toEqual({ a: [2] });
  });

  test("put every differing path back to the same object", () => {
    const value = fc.object({ maxDepth: 3, values: [fc.integer(), fc.string()] });
    fc.assert(
      fc.property(value, value, (before, now) => {
        const paths = differingPaths(before, now);
        expect(paths.length === 0).toBe(sameJson(before, now));
        for (const path of paths) expect(sameJson(valueAt(before, path), valueAt(now, path))).toBe(false);
      }),
    );
  });
});
