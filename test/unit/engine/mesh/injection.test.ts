import { afterEach, expect, test } from "vitest";
import { createControlPlane, createStore, type ControlPlane } from "../../../../src/engine/control-plane.ts";
import { decodeObject } from "../../../../src/engine/api/decode-object.ts";
import { findResource, resourcesOf } from "../../../../src/engine/api/resources.ts";
import { planPod } from "../../../../src/engine/images/registry.ts";
import { isInjected, SIDECAR } from "../../../../src/engine/mesh/injection.ts";
import { meshFacts } from "../../../../src/engine/mesh/mesh-facts.ts";
import type { KubeObject, Pod } from "../../../../src/kube/types.ts";
import { FakeRuntime } from "../fake-runtime.ts";

const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };
let plane: ControlPlane;
afterEach(() => plane.close());

async function start(): Promise<void> {
  const worker = {
    name: "worker1",
    role: "worker" as const,
    labels: {},
    taints: [],
    interfaces: [{ addresses: ["192.0.2.2"] }],
  };
  const store = createStore({ cluster, hasMesh: true });
  plane = createControlPlane({ nodes: [worker], cluster, runtime: new FakeRuntime(), store, meshCertificate: "PEM" });
  await plane.settle();
}

const namespace = (name: string, injection?: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, ...(injection === undefined ? {} : { labels: { "istio-injection": injection } }) },
});

async function made(of: string, metadata: object = {}, spec: object = {}): Promise<Pod | undefined> {
  const containers = [{ name: "web", image: "nginx" }];
  plane.apply([
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: of, ...metadata },
      spec: { containers, ...spec },
    },
  ]);
  await plane.settle();
  return plane.store.get("Pod", "p", of);
}

test("a pod of a namespace with the label has a sidecar, which listens, and is what a mesh knows as one", async () => {
  await start();
  plane.apply([namespace("shop", "enabled")]);
  const pod = await made("shop", { labels: { app: "web", version: "v1" } }, { serviceAccountName: "seller" });
  expect(pod?.spec.containers.map(({ name }) => name)).toEqual(["web", SIDECAR]);
  expect(pod?.spec.initContainers?.map(({ name }) => name)).toEqual(["istio-init"]);
  expect(pod?.metadata.labels).toEqual({
    app: "web",
    version: "v1",
    "security.istio.io/tlsMode": "istio",
    "service.istio.io/canonical-name": "web",
    "service.istio.io/canonical-revision": "v1",
  });
  expect(pod?.metadata.annotations).toMatchObject({ "kubectl.kubernetes.io/default-container": "web" });
  const listens = pod && planPod(pod).flatMap((plan) => plan.listens);
  expect(listens?.map(({ port, behaviour }) => `${port} ${behaviour.kind}`)).toEqual([
    "80 http",
    "15001 sidecar-outbound",
    "15006 sidecar-inbound",
    "15021 http",
  ]);
  const known = meshFacts(plane.store, "cluster.local").workloads.find(({ name }) => name === "p");
  expect(known).toMatchObject({ namespace: "shop", hasSidecar: true, serviceAccount: "seller" });
});

test.each([
  ["a namespace without the label", undefined, {}, {}, false],
  ["a pod that says so itself", undefined, { labels: { "sidecar.istio.io/inject": "true" } }, {}, true],
  ["a pod that does not want it", "enabled", { labels: { "sidecar.istio.io/inject": "false" } }, {}, false],
  ["an annotation of old", "enabled", { annotations: { "sidecar.istio.io/inject": "false" } }, {}, false],
  ["a namespace that is excepted", "disabled", { labels: { "sidecar.istio.io/inject": "true" } }, {}, false],
  ["a pod on its node's network", "enabled", {}, { hostNetwork: true }, false],
])("%s", async (_name, injection, metadata, spec, hasSidecar) => {
  await start();
  plane.apply([namespace("shop", injection)]);
  const pod = await made("shop", metadata, spec);
  expect(pod && isInjected(pod)).toBe(hasSidecar);
});

test("a mesh brings its namespace, its kinds and its root certificate", async () => {
  await start();
  plane.apply([namespace("shop")]);
  await plane.settle();
  const kinds = resourcesOf(plane.store).filter(({ group }) => group.endsWith(".istio.io"));
  expect(kinds.map(({ name, version, shortNames }) => `${name}/${version} ${shortNames.join(",")}`)).toEqual([
    "virtualservices/v1 vs",
    "destinationrules/v1 dr",
    "peerauthentications/v1 pa",
    "authorizationpolicies/v1 ap",
  ]);
  expect(kinds.map((each) => each.columns?.()?.map(({ name }) => name))).toEqual([
    ["Gateways", "Hosts", "Age"],
    ["Host", "Age"],
    ["Mode", "Age"],
    ["Action", "Age"],
  ]);
  for (const of of ["shop", "istio-system", "default"])
    expect(plane.store.find({ kind: "ConfigMap", namespace: of, name: "istio-ca-root-cert" })).toMatchObject({
      data: { "root-cert.pem": "PEM" },
    });
});

test("what kubectl sends is checked as a manifest is", async () => {
  await start();
  const resource = findResource(plane.store, "security.istio.io", "v1", "authorizationpolicies");
  if (resource === undefined) throw new Error("not served");
  const sent = (spec: object): object => ({
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "web" },
    spec,
  });
  const target = { resource, namespace: "shop" };
  expect(decodeObject(sent({ rules: [{}] }), target, "Strict").warnings).toEqual([]);
  expect(() => decodeObject(sent({ rulez: [{}] }), target, "Strict")).toThrow(/unknown field/);
  expect(() => decodeObject(sent({ action: "CUSTOM" }), target, "Strict")).toThrow(/CUSTOM is not modelled/);
});
