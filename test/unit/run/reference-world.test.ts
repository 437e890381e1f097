import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { Plan } from "../../../src/plan/types.ts";
import { liveWorld, referenceWorld } from "../../../src/run/reference-world.ts";
import { livePod, manifest, planOf, replicaSet, step, task } from "./reference-plan.ts";

const SHOP = `apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { team: shop } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          image: nginx
          ports: [{ name: http, containerPort: 80 }]
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: shop, labels: { app: db } }
spec:
  containers: [{ name: db, image: postgres, ports: [{ containerPort: 5432 }] }]
`;
const POLICY = `# the reference
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db
  namespace: shop
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
    - from:
        - podSelector: { matchLabels: { app: web } }
    - ports: [{ port: 5432 }]
`;

const learnersPolicy: KubeObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "mine", namespace: "shop" },
  spec: { podSelector: {} },
};

const objects: KubeObject[] = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { team: "learner" } } },
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "mine", labels: { team: "learner" } } },
  replicaSet("web-77", "web"),
  livePod("web-77-abcde", "10.244.1.2", { app: "relabelled", "pod-template-hash": "77" }, ["ReplicaSet", "web-77"]),
  livePod("db", "10.244.1.3", { app: "relabelled" }),
  livePod("visitor", "10.244.1.4", { app: "visitor" }),
  { ...livePod("done", "10.244.1.5", {}), status: { phase: "Succeeded" } },
  learnersPolicy,
];

const solved: Plan = planOf([step("apply", manifest("shop.yaml", SHOP))], [task(manifest("netpol.yaml", POLICY))]);
const texts: Record<string, string> = { "shop.yaml": SHOP, "netpol.yaml": POLICY };
const source = { plan: solved, objects, deletedRefs: () => [], readText: (file: string) => texts[file] };

describe("the reference world", () => {
  const world = referenceWorld(source);

  it("has the solution's policies and none of the learner's", () => {
    expect(world.policies.map(({ policy }) => policy.metadata.name)).toEqual(["db"]);
  });

  it("has the namespaces' labels from the manifests, live ones only where no manifest has the namespace", () => {
    expect(world.namespaces).toEqual([
      { name: "shop", labels: { team: "shop", "kubernetes.io/metadata.name": "shop" } },
      { name: "mine", labels: { team: "learner", "kubernetes.io/metadata.name": "mine" } },
    ]);
  });

  it("gives pods the labels and ports of their workload's manifest, whatever a learner set", () => {
    const byName = Object.fromEntries(world.pods.map((pod) => [pod.name, pod]));
    expect(byName["web-77-abcde"]).toMatchObject({
      labels: { app: "web", "pod-template-hash": "77" },
      ports: [{ name: "http", containerPort: 80, protocol: "TCP" }],
      addresses: ["10.244.1.2"],
      node: "worker1",
    });
    expect(byName["db"]).toMatchObject({ labels: { app: "db" }, ports: [{ containerPort: 5432 }] });
    expect(byName["visitor"]).toMatchObject({ labels: { app: "visitor" }, ports: [{ containerPort: 9999 }] });
  });

  it("knows which pod of a StatefulSet it is by its name, whatever label it was given", () => {
    const labels = { "statefulset.kubernetes.io/pod-name": "db-0", "controller-revision-hash": "db-5" };
    const own = (name: string, owner: string): KubeObject => {
      const pod = livePod(name, "10.244.1.9", labels, ["StatefulSet", owner]);
      const ownerReferences = pod.metadata.ownerReferences?.map((each) => ({ ...each, controller: true }));
      return { ...pod, metadata: { ...pod.metadata, ...(ownerReferences === undefined ? {} : { ownerReferences }) } };
    };
    const sets = manifest(
      "sets.yaml",
      SHOP.replace("kind: Deployment", "kind: StatefulSet").replaceAll("name: web", "name: sets"),
    );
    const { pods } = referenceWorld({
      ...source,
      plan: planOf([step("apply", sets)], []),
      objects: [own("sets-1", "sets"), livePod("web-77-a", "10.244.1.8", labels, ["ReplicaSet", "web-77"])],
    });
    const [stateful, other] = pods;
    expect(stateful?.labels).toEqual({
      app: "web",
      "statefulset.kubernetes.io/pod-name": "sets-1",
      "apps.kubernetes.io/pod-index": "1",
      "controller-revision-hash": "db-5",
    });
    expect(other?.labels).toMatchObject(labels);
  });

  it("leaves out pods that have ended", () => {
    expect(world.pods.map(({ name }) => name)).not.toContain("done");
  });

  it("has the cluster-wide policies of the manifests with their lines, and none of a learner's", () => {
    const guard = `apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: { name: guard }
spec:
  priority: 1
  subject: { namespaces: {} }
  ingress:
    - { action: Deny, from: [{ namespaces: {} }] }
`;
    const mine: KubeObject = {
      apiVersion: "policy.networking.k8s.io/v1alpha1",
      kind: "AdminNetworkPolicy",
      metadata: { name: "mine" },
      spec: { priority: 0, subject: { namespaces: {} } },
    };
    const file = manifest("guard.yaml", guard);
    const live = { ...source, plan: planOf([step("apply", file)], []), objects: [mine], readText: () => guard };
    const { adminPolicies = [] } = referenceWorld(live);
    expect(adminPolicies.map(({ policy }) => policy.metadata.name)).toEqual(["guard"]);
    expect(adminPolicies[0]?.ruleSpans?.ingress.map((span) => span?.line)).toEqual([8]);
    expect(liveWorld(live).adminPolicies).toBeUndefined();
    const enforcing = { ...live.plan, cni: { ...live.plan.cni, enforcesAdminPolicy: true } };
    expect(liveWorld({ ...live, plan: enforcing }).adminPolicies).toEqual([{ policy: mine }]);
  });

  it("knows the places of cluster-wide policies that are as the manifest wrote them, where they are enforced", () => {
    const text = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: { name: guard }\n";
    const guard = `${text}spec:\n  priority: 1\n  subject: { namespaces: {} }\n  ingress:\n    - { action: Deny, from: [{ namespaces: {} }] }\n`;
    const file = manifest("guard.yaml", guard);
    const plan = planOf([step("apply", file)], []);
    const placed = (objects: KubeObject[]) =>
      liveWorld({
        ...source,
        plan: { ...plan, cni: { ...plan.cni, enforcesAdminPolicy: true } },
        objects,
        readText: () => guard,
      }).adminPolicies?.[0]?.ruleSpans?.ingress[0]?.line;
    const applied = file[0]?.object as KubeObject;
    expect(placed([applied])).toBe(8);
    expect(placed([{ ...applied, spec: { ...(applied["spec"] as object), ingress: [] } }])).toBeUndefined();
  });

  it("gives nodes the labels that their objects have", () => {
    const node: KubeObject = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "worker1", labels: { "kubernetes.io/hostname": "worker1" } },
    };
    expect(referenceWorld({ ...source, objects: [...objects, node] }).nodes?.map(({ labels }) => labels)).toEqual([
      { "kubernetes.io/hostname": "worker1" },
      {},
    ]);
  });

  it("knows the nodes' addresses", () => {
    expect(world.nodes).toEqual([
      { name: "worker1", labels: {}, addresses: ["192.168.0.11"] },
      { name: "worker2", labels: {}, addresses: ["192.168.0.12"] },
    ]);
  });

  it("knows the lines of the policy and of its rules", () => {
    const [placed] = world.policies;
    expect(placed?.span).toMatchObject({
      file: "netpol.yaml",
      line: 2,
      column: 1,
      lineText: "apiVersion: networking.k8s.io/v1",
    });
    expect(placed?.ruleSpans?.ingress.map((span) => [span?.line, span?.column, span?.lineText])).toEqual([
      [10, 7, "    - from:"],
      [12, 7, "    - ports: [{ port: 5432 }]"],
    ]);
    expect(placed?.ruleSpans?.egress).toEqual([]);
  });

  it("knows the object's first line where the text cannot be read or does not hold the policy", () => {
    const blind = referenceWorld({ ...source, readText: () => undefined }).policies[0];
    expect(blind?.span).toMatchObject({ file: "netpol.yaml", line: 2, lineText: "" });
    const edited = referenceWorld({ ...source, readText: () => "kind: Other\n" }).policies[0];
    expect(edited?.span).toMatchObject({ line: 2 });
    expect(edited?.ruleSpans?.ingress).toEqual([]);
  });
});

describe("the live world", () => {
  it("has the learner's policies and labels", () => {
    const world = liveWorld(source);
    expect(world.policies.map(({ policy }) => policy.metadata.name)).toEqual(["mine"]);
    expect(world.pods.find(({ name }) => name === "db")?.labels).toEqual({ app: "relabelled" });
    expect(world.namespaces[0]?.labels).toMatchObject({ team: "learner" });
  });

  it("places a scenario's policy, but not its rules once a learner has changed them", () => {
    const planned = manifest("netpol.yaml", POLICY);
    const plan = planOf([step("apply", planned)]);
    const [first] = planned;
    const unchanged = liveWorld({ ...source, plan, objects: planned.map(({ object }) => object) });
    expect(unchanged.policies[0]?.ruleSpans?.ingress[0]?.line).toBe(10);
    const changed = { ...first?.object, spec: { podSelector: {}, ingress: [{}] } } as KubeObject;
    const placed = liveWorld({ ...source, plan, objects: [changed] }).policies[0];
    expect(placed?.policy).toBe(changed);
    expect(placed?.ruleSpans).toBeUndefined();
  });
});
