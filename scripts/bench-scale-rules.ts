import { proxyRuleset } from "../src/engine/nft/proxy-ruleset.ts";
import { NetworkHost } from "../src/kernel/network-host.ts";
import { Nftables } from "../src/kernel/nftables.ts";
import type { EndpointSlice, KubeObject, NetworkPolicy, Service } from "../src/kube/types.ts";
import { engineCluster } from "../test/fixtures/in-namespace/engine-cluster.ts";
import { line, median } from "./bench-figures.ts";

/*
 * Run by bench-scale.ts in namespaces: from a changed object to rules in force on every node of the embedded engine. Beside the
 * clock's time stands the processor's, of all threads, and the kernel's part of it; beside loading all Services, what libnftables takes
 * for the same rules in as many namespaces, as `nft -f` would load them.
 */
const runs = Number(process.argv[2] ?? 3);
const workers = Number(process.argv[3] ?? 2);
const SERVICES = Number(process.argv[4] ?? 500);
const ENDPOINTS = Number(process.argv[5] ?? 5);
const PODS = 100;
const TIMEOUT_MS = 120_000;

const cluster = await engineCluster("calico", { workers });

interface Cost {
  wallMs: number;
  cpuMs: number;
  kernelMs: number;
}

function settled(): Promise<unknown> {
  return cluster.settle(TIMEOUT_MS);
}

async function cost(work: () => void, end: () => Promise<unknown> = settled): Promise<Cost> {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  work();
  await end();
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000, kernelMs: system / 1000 };
}

function tell(what: string, costs: readonly Cost[], target: string): void {
  const middle = (figure: keyof Cost): string => median(costs.map((each) => each[figure])).toFixed(1);
  const processor = `processor ${middle("cpuMs")} ms, of it the kernel ${middle("kernelMs")} ms`;
  line(`${what}: ${middle("wallMs")} ms (target ${target}), ${processor}`);
}

function service(index: number): Service {
  const clusterIP = `10.97.${Math.floor(index / 250)}.${(index % 250) + 1}`;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: `s${index}`, namespace: "default" },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  };
}

function slice(index: number, first = 0): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `s${index}-1`, namespace: "default", labels: { "kubernetes.io/service-name": `s${index}` } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: Array.from({ length: ENDPOINTS }, (_, endpoint) => ({
      addresses: [`192.168.${100 + (index % 100)}.${Math.floor(index / 100) * 20 + endpoint + first + 1}`],
      conditions: { ready: true },
    })),
  };
}

/** The same rules by libnftables, one namespace after the other. */
async function floor(): Promise<Cost> {
  const namespaces = Array.from({ length: workers + 1 }, (_, index) => {
    const host = NetworkHost.create(`floor${index}`);
    return { host, nft: new Nftables(host.namespace) };
  });
  const text = proxyRuleset({
    services: Array.from({ length: SERVICES }, (_, index) => service(index)),
    endpointSlices: Array.from({ length: SERVICES }, (_, index) => slice(index)),
    clusterCidrs: ["192.168.0.0/16"],
    serviceCidrs: ["10.96.0.0/12"],
    node: "floor",
  });
  const loaded = await cost(
    () => {
      for (const { nft } of namespaces) nft.apply(text);
    },
    () => Promise.resolve(),
  );
  for (const { host, nft } of namespaces) {
    nft.close();
    host.close();
  }
  return loaded;
}

const all: KubeObject[] = Array.from({ length: SERVICES }, (_, index) => [service(index), slice(index)]).flat();
const loads: Cost[] = [];
const unloads: Cost[] = [];
for (let run = 0; run < runs; run++) {
  loads.push(await cost(() => void cluster.apply(all)));
  if (run === runs - 1) break;
  const gone = all.map(({ kind, metadata: { name } }) => ({ kind, namespace: "default", name }));
  unloads.push(await cost(() => void cluster.delete(gone, AbortSignal.timeout(TIMEOUT_MS))));
}
tell(`${SERVICES} Services × ${ENDPOINTS} endpoints on ${workers + 1} nodes together`, loads, "300 ms");
// More would not fit the socket of one transaction.
if (SERVICES * ENDPOINTS <= 2500) tell("  the same rules by libnftables", [await floor()], "none");
if (unloads.length > 0) tell("  deleted again", unloads, "none");
const changes: Cost[] = [];
for (let run = 0; run < runs * 5; run++) changes.push(await cost(() => void cluster.apply([slice(7, (run % 2) + 1)])));
tell("one changed endpoint", changes, "20 ms");
// Of policies, too, where nothing else was asked for.
if (process.argv.length > 4) process.exit(0);

const labels = { app: "many" };
const template = {
  metadata: { labels },
  spec: { containers: [{ name: "c", image: "registry.k8s.io/e2e-test-images/agnhost:2.53", args: ["pause"] }] },
};
const deployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "many", namespace: "default" },
  spec: { replicas: PODS, selector: { matchLabels: labels }, template },
};
await cost(() => void cluster.apply([deployment]));
function policy(port: number): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "some", namespace: "default" },
    spec: { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: labels } }], ports: [{ port }] }] },
  };
}
tell(`first policy at ${PODS} pods`, [await cost(() => void cluster.apply([policy(80)]))], "none");
const edits: Cost[] = [];
for (let run = 0; run < runs * 5; run++) edits.push(await cost(() => void cluster.apply([policy(8000 + run)])));
tell(`one changed policy at ${PODS} pods`, edits, "50 ms");
process.exit(0);
