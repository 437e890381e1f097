import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { addOnFiles, addOnImages, addOnInstalls, installAddOns } from "../../../../src/providers/real/add-ons.ts";
import { addressPool } from "../../../../src/providers/address-pool.ts";
import type { AddOnApi } from "../../../../src/providers/real/add-ons/types.ts";
import { LabError } from "../../../../src/core/errors.ts";
import { supplyLock } from "../../../../src/supplies/lock.ts";

const noFiles = { file: () => Promise.reject(new Error("no file is asked for")) };

test.each([
  ["172.18.0.0/16", "172.18.255.205-172.18.255.254"],
  ["10.5.5.0/24", "10.5.5.205-10.5.5.254"],
  ["10.5.5.0/26", "10.5.5.47-10.5.5.62"],
  ["10.5.5.16/28", "10.5.5.27-10.5.5.30"],
])("MetalLB's pool of %s is its top, without the broadcast address: %s", (subnet, pool) => {
  expect(addressPool([subnet])).toEqual([pool]);
});

test.each([
  ["fd00:172:30::/64", "fd00:172:30::ffcd-fd00:172:30::fffe"],
  ["fd00::/120", "fd00::cd-fd00::fe"],
])("beside it stands one of the IPv6 network %s: %s", (subnet, pool) => {
  expect(addressPool(["172.18.0.0/16", subnet])).toEqual(["172.18.255.205-172.18.255.254", pool]);
});

test.each(["10.0.0.0/29", "fc00::/64", "nonsense"])("%s has no room for a pool", (subnet) => {
  expect(() => addressPool([subnet])).toThrow(expect.objectContaining({ code: "ADD_ON_NETWORK_TOO_SMALL" }) as Error);
});

test("add-ons' files are in the lock, and their images have tags", async () => {
  const names = Object.keys(addOnInstalls) as (keyof typeof addOnInstalls)[];
  for (const file of addOnFiles(names)) expect(supplyLock.files.map(({ name }) => name)).toContain(file);
  expect(await addOnImages(["traefik", "metrics-server"], noFiles)).toEqual([
    "traefik:v3.5.3",
    "registry.k8s.io/metrics-server/metrics-server:v0.7.2",
  ]);
});

test("Traefik has an address of its own only beside MetalLB", async () => {
  const typeOf = (objects: KubeObject[]): unknown =>
    (objects.find(({ kind }) => kind === "Service")?.["spec"] as { type: string } | undefined)?.type;
  expect(typeOf(await addOnInstalls.traefik.objects(noFiles, ["traefik"]))).toBe("NodePort");
  expect(typeOf(await addOnInstalls.traefik.objects(noFiles, ["metallb", "traefik"]))).toBe("LoadBalancer");
});

/** An API whose workloads are ready at once; `dryRuns` are the answers to MetalLB's tries, undefined for a success. */
function fakeApi(dryRuns: (LabError | undefined)[]): { api: AddOnApi; applied: string[] } {
  const applied: string[] = [];
  const api: AddOnApi = {
    apply: (objects, options) => {
      const dryRun = options?.dryRun === true;
      if (!dryRun) applied.push(...objects.map(({ kind }) => kind));
      const failure = dryRun ? dryRuns.shift() : undefined;
      return failure === undefined ? Promise.resolve([]) : Promise.reject(failure);
    },
    until: (_queries, look) => {
      const status = { observedGeneration: 1, desiredNumberScheduled: 2, numberAvailable: 2, availableReplicas: 1 };
      const ready = { kind: "Deployment", metadata: { name: "x", generation: 1 }, spec: { replicas: 1 }, status };
      expect(look([{ apiVersion: "apps/v1", ...ready }])).toBeUndefined();
      expect(look([])).toMatch(/is not there/);
      expect(look([{ apiVersion: "apps/v1", ...ready, status: {} }])).toMatch(/not yet observed/);
      return Promise.resolve([]);
    },
    connection: { send: () => Promise.reject(new Error("not asked")) },
  };
  return { api, applied };
}

async function installMetallb(api: AddOnApi): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "cnilab-add-ons-"));
  const manifest = join(folder, "metallb.yaml");
  await writeFile(manifest, "apiVersion: v1\nkind: Namespace\nmetadata: { name: metallb-system }\n");
  try {
    await installAddOns({
      api,
      addOns: ["metallb"],
      nodeNetworkSubnets: ["172.18.0.0/16"],
      supplies: { file: () => Promise.resolve(manifest) },
      signal: new AbortController().signal,
      progress: () => undefined,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("MetalLB's pool is applied when its webhook answers", async () => {
  const silent = new LabError("APPLY_REJECTED", "failed calling webhook: connection refused");
  const { api, applied } = fakeApi([silent, undefined]);
  await installMetallb(api);
  expect(applied).toEqual(["Namespace", "IPAddressPool", "L2Advertisement"]);
});

test("a pool that the webhook refuses is not tried for ever", async () => {
  const refused = new LabError("APPLY_REJECTED", "admission webhook denied the request: overlaps");
  const { api, applied } = fakeApi([refused]);
  await expect(installMetallb(api)).rejects.toBe(refused);
  expect(applied).toEqual(["Namespace"]);
});

test("the Gateway API's kinds are there before Traefik, which has the flags and the rights for them", async () => {
  const { api, applied } = fakeApi([]);
  const looks: string[] = [];
  const context = {
    api: {
      ...api,
      until: (_queries: unknown, look: (objects: readonly KubeObject[]) => string | undefined) => {
        const accepted = { type: "Accepted", status: "True" };
        const found = { apiVersion: "v1", kind: "GatewayClass", metadata: { name: "traefik" }, spec: { replicas: 1 } };
        looks.push(look([found]) ?? "", look([{ ...found, status: { conditions: [accepted] } }]) ?? "");
        return Promise.resolve([]);
      },
    },
    addOns: ["traefik", "gateway-api"] as const,
    nodeNetworkSubnets: [],
    supplies: noFiles,
    signal: new AbortController().signal,
    progress: () => undefined,
  };
  await installAddOns(context);
  expect(applied.slice(0, 7)).toEqual([
    ...Array<string>(5).fill("CustomResourceDefinition"),
    "GatewayClass",
    "Namespace",
  ]);
  expect(looks).toContain("Traefik has not accepted the GatewayClass traefik");
  expect(looks).toContain("");
  const text = JSON.stringify(await addOnInstalls.traefik.objects(noFiles, ["traefik", "gateway-api"]));
  for (const part of ["--providers.kubernetesgateway=true", "grpcroutes", "httproutes/status"]) {
    expect(text).toContain(part);
    expect(JSON.stringify(await addOnInstalls.traefik.objects(noFiles, ["traefik"]))).not.toContain(part);
  }
});
