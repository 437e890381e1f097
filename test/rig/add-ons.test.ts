import { mkdtemp, readFile, rm } from "node:fs/promises";
import { get } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { KubeObject } from "../../src/kube/types.ts";
import type { Plan } from "../../src/plan/types.ts";
import { addOnInstalls, installAddOns } from "../../src/providers/real/add-ons.ts";
import { hostAgents } from "../../src/providers/real/agents/host-agents.ts";
import { openKubernetesApi, type KubernetesApi } from "../../src/providers/real/api/kubernetes-api.ts";
import { RealCluster } from "../../src/providers/real/cluster.ts";
import { nodesOf } from "./nodes-of.ts";
import { untilReady } from "../../src/providers/real/ready.ts";
import { openSupplies } from "../../src/supplies/supplies.ts";
import type { Supplies } from "../../src/supplies/types.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";
import { SHARED_ADD_ONS, sharedKubeconfig } from "./shared-cluster.ts";

/*
 * Add-ons on the shared cluster: its nodes are containers of the local engine, and this host is on their network's bridge.
 */
const NAMESPACE = "rig-add-ons";
const WAIT = { timeout: 60_000, interval: 250 };

describeOnRig("add-ons on a real cluster", () => {
  let directory: string;
  let api: KubernetesApi;
  let certificate: string;
  let cluster: RealCluster;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "cnilab-rig-add-ons-"));
    const supplies = suppliesIn(directory);
    api = await openKubernetesApi(await sharedKubeconfig());
    const nodes = (await api.list({ kind: "Node" })).map(({ metadata }) => metadata.name);
    await installAddOns({
      api,
      addOns: SHARED_ADD_ONS,
      nodeNetworkSubnets: [await subnetOf(nodes[0] ?? "")],
      supplies,
      signal: AbortSignal.timeout(250_000),
      progress: () => undefined,
    });
    cluster = await openCluster(api, directory);
    await cluster.keepSnapshot?.();
    const { certificate: made, key } = await selfSigned("shop.test", directory);
    certificate = made;
    await api.apply(shop(certificate, key));
    await api.wait(
      { kind: "condition", ref: { kind: "Deployment", namespace: NAMESPACE, name: "web" }, condition: "available" },
      { timeoutMs: 60_000 },
    );
  }, 600_000);

  afterAll(async () => {
    await api.delete([{ kind: "Namespace", name: NAMESPACE }]);
    await removeAddOns(api, directory);
    await cluster.close();
    await rm(directory, { recursive: true });
  }, 120_000);

  test("a Service of type LoadBalancer gets an address of the nodes' network, and answers there", async () => {
    const address = await addressOf(api, "web", NAMESPACE);
    await vi.waitFor(async () => expect(await httpGet(address, "/echo?msg=here")).toBe("here"), WAIT);
  });

  test("an Ingress answers over HTTPS with the lab's own certificate", async () => {
    const address = await addressOf(api, "traefik", "traefik");
    const answer = await vi.waitFor(() => httpsGet(address, "shop.test", certificate), WAIT);
    expect(answer).toEqual({ status: 200, body: "secret", subject: "shop.test" });
  });

  test("a host that no Ingress has is not found, on the same address", async () => {
    expect(await httpStatus(await addressOf(api, "traefik", "traefik"), "nobody.test")).toBe(404);
  });

  test("there are figures of every node, and an autoscaler reads a pod's", async () => {
    const { body } = await api.connection.send({ method: "GET", path: "/apis/metrics.k8s.io/v1beta1/nodes" });
    const figures = (body as { items: { usage: { cpu: string } }[] }).items;
    expect(figures.length).toBe((await api.list({ kind: "Node" })).length);
    // A Quantity in its shortest form: nanocores, or micro- where those end in three zeros.
    for (const { usage } of figures) expect(usage.cpu).toMatch(/^\d+[num]?$/);
    await api.until(
      [{ kind: "HorizontalPodAutoscaler", apiVersion: "autoscaling/v2", namespace: NAMESPACE, name: "web" }],
      ([autoscaler]) => {
        const status = autoscaler?.["status"] as { conditions?: { type: string; status: string }[] } | undefined;
        const isActive = status?.conditions?.some(({ type, status: is }) => type === "ScalingActive" && is === "True");
        return isActive === true ? undefined : "the autoscaler has no figures";
      },
      { timeoutMs: 120_000, timeout: (gap) => new Error(gap) as never },
    );
  });

  // The last: what the others look at is gone after it.
  test("a reset takes Services, Ingress and autoscaler away, leaves nothing on nodes, and the add-ons work on", async () => {
    const result = await cluster.reset?.();
    expect(result?.changes).toContain(`removed Namespace ${NAMESPACE}`);
    console.log(`reset after ${Math.round(result?.durationMs ?? 0)} ms: ${result?.changes.join("; ")}`);
    expect((await api.list({ kind: "Ingress" })).map(({ metadata }) => metadata.namespace)).not.toContain(NAMESPACE);
    await api.apply([
      { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { namespace: NAMESPACE, name: "web" },
        spec: { type: "LoadBalancer", selector: { app: "web" }, ports: [{ port: 80 }] },
      },
    ]);
    expect(await addressOf(api, "web", NAMESPACE)).toMatch(/^\d/);
  }, 120_000);
});

/** The shared cluster as a provider has it, with a snapshot of its own. */
async function openCluster(api: KubernetesApi, directory: string): Promise<RealCluster> {
  const nodes = await nodesOf(api);
  const pids = nodes.map(async ({ name }) => {
    const { stdout } = await execa("docker", ["inspect", "--format", "{{.State.Pid}}", name]);
    return [name, Number(stdout)] as const;
  });
  const agents = await hostAgents({
    nodes: new Map(await Promise.all(pids)),
    scratchDirectory: join(directory, "agents"),
  });
  const plan = {
    cni: { name: "calico", enforcesPolicy: true, podCidrs: ["192.168.0.0/16"] },
    cluster: { dnsDomain: "cluster.local" },
  } as unknown as Plan;
  const agent = { namespace: "kube-system", daemonSet: "calico-node" };
  const signal = AbortSignal.timeout(120_000);
  await untilReady({ api, agents, plan, nodes, signal, progress: () => undefined, agent });
  return new RealCluster({ api, agents, plan, nodes, stateDirectory: directory });
}

function shop(certificate: string, key: string): KubeObject[] {
  const metadata = { namespace: NAMESPACE, name: "web" };
  const labels = { app: "web" };
  const image = "registry.k8s.io/e2e-test-images/agnhost:2.53";
  const container = {
    name: "web",
    image,
    args: ["netexec", "--http-port=8080"],
    ports: [{ containerPort: 8080 }],
    readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1 },
    resources: { requests: { cpu: "10m" } },
  };
  const backend = { service: { name: "web", port: { number: 80 } } };
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: NAMESPACE, name: "shop-tls" },
      type: "kubernetes.io/tls",
      stringData: { "tls.crt": certificate, "tls.key": key },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { type: "LoadBalancer", selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "Ingress",
      metadata,
      spec: {
        tls: [{ hosts: ["shop.test"], secretName: "shop-tls" }],
        rules: [{ host: "shop.test", http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }],
      },
    },
    {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata,
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
        minReplicas: 1,
        maxReplicas: 2,
        metrics: [
          { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
        ],
      },
    },
  ];
}

/** Whoever uses the shared cluster next finds no API group, class or namespace that it would not have by itself. */
async function removeAddOns(api: KubernetesApi, cacheDirectory: string): Promise<void> {
  // metrics-server's is made once it answers. Left behind without it, no namespace of this cluster could go any more.
  await api.delete([{ apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", name: "v1beta1.metrics.k8s.io" }]);
  const supplies = suppliesIn(cacheDirectory);
  for (const name of SHARED_ADD_ONS) {
    const objects = await addOnInstalls[name].objects(supplies, SHARED_ADD_ONS);
    await api.delete(
      objects.map(({ apiVersion, kind, metadata }) => ({
        apiVersion,
        kind,
        name: metadata.name,
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      })),
    );
  }
}

function suppliesIn(cacheDirectory: string): Supplies {
  return openSupplies({
    cacheDirectory,
    docker: () => Promise.reject(new Error("no image is asked for")),
    isOffline: true,
    localFiles: rigEnvironment["CNILAB_FILES"],
  });
}

async function subnetOf(container: string): Promise<string> {
  const format = "{{range .NetworkSettings.Networks}}{{.NetworkID}} {{end}}";
  const { stdout: ids } = await execa("docker", ["inspect", "--format", format, container]);
  const [id = ""] = ids.trim().split(" ");
  const { stdout } = await execa("docker", ["network", "inspect", "--format", "{{json .IPAM.Config}}", id]);
  const subnets = (JSON.parse(stdout) as { Subnet: string }[]).map(({ Subnet }) => Subnet);
  return subnets.find((subnet) => subnet.includes(".")) ?? "";
}

async function selfSigned(host: string, folder: string): Promise<{ certificate: string; key: string }> {
  const [keyFile, certificateFile] = [join(folder, "tls.key"), join(folder, "tls.crt")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`];
  await execa("openssl", ["req", ...kind, ...names, "-keyout", keyFile, "-out", certificateFile]);
  return { certificate: await readFile(certificateFile, "utf8"), key: await readFile(keyFile, "utf8") };
}

async function addressOf(api: KubernetesApi, name: string, namespace: string): Promise<string> {
  const ip = (service: KubeObject | undefined): string | undefined =>
    (service?.["status"] as { loadBalancer?: { ingress?: { ip: string }[] } } | undefined)?.loadBalancer?.ingress?.[0]
      ?.ip;
  const [service] = await api.until(
    [{ kind: "Service", apiVersion: "v1", namespace, name }],
    ([found]) => (ip(found) === undefined ? `Service ${name} has no address` : undefined),
    { timeoutMs: 30_000, timeout: (gap) => new Error(gap) as never },
  );
  return ip(service) as string;
}

function httpGet(host: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host, path, timeout: 2000, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part: string) => (body += part));
      response.on("end", () => resolve(body));
    })
      .on("timeout", function (this: { destroy(error: Error): void }) {
        this.destroy(new Error("no answer"));
      })
      .on("error", reject);
  });
}

function httpStatus(host: string, name: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ host, headers: { host: name }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
}

/** Trusts this certificate alone: an answer with any other is an error. */
function httpsGet(
  host: string,
  servername: string,
  certificate: string,
): Promise<{ status: number | undefined; body: string; subject: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      host,
      servername,
      ca: certificate,
      path: "/echo?msg=secret",
      headers: { host: servername },
      agent: false,
    };
    const sent = request({ ...options, timeout: 2000 }, (response) => {
      const { subject } = (response.socket as import("node:tls").TLSSocket).getPeerCertificate();
      let body = "";
      response.setEncoding("utf8").on("data", (part: string) => (body += part));
      response.on("end", () => {
        if (response.statusCode === 404) reject(new Error("Traefik does not know the Ingress yet"));
        else resolve({ status: response.statusCode, body, subject: String(subject.CN) });
      });
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer")));
    sent.on("error", reject);
    sent.end();
  });
}
