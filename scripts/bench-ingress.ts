import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppsV1Api, CoreV1Api, KubeConfig, PatchStrategy, setHeaderOptions } from "@kubernetes/client-node";
import { line, median } from "./bench-figures.ts";
import { agnhost, cleanUp, cnilab, main, stateHome } from "./bench-lab.ts";

/*
 * `npm run bench:ingress [RUNS [minute|throughput]]`: a minute of 1,000 requests a second through an Ingress while the pods behind it come and go, and how much
 * the proxy carries beside Debian's nginx in the same network namespace. nginx and wrk are Debian's packages.
 */
const runs = Number(process.argv[2] ?? 3);
const only = process.argv[3];
const LAB = "bench-ingress";
const HOST = "shop.example";
const RATE = 1000;
const SECONDS = 60;
const REPLICAS = 4;
const CONNECTIONS = 32;
const NGINX_PORT = 8090;
const env = { ...process.env, XDG_STATE_HOME: stateHome, CI: "true" };

function objects(): object[] {
  // Servers go on for five seconds after the signal to end, as a Deployment that must lose nothing has it: endpoints and proxies hear of it meanwhile.
  const args = ["netexec", "--http-port=8080", "--udp-port=-1", "--delay-shutdown=5"];
  const container = { name: "web", image: agnhost, args, ports: [{ containerPort: 8080 }] };
  const labels = { app: "web" };
  const metadata = { name: "web", namespace: "default" };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: REPLICAS,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "Ingress",
      metadata,
      spec: {
        rules: [
          {
            host: HOST,
            http: {
              paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { number: 80 } } } }],
            },
          },
        ],
      },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "client", namespace: "default" },
      spec: { containers: [{ name: "c", image: agnhost, args: ["pause"] }] },
    },
  ];
}

function up(): KubeConfig {
  const folder = join(stateHome, LAB);
  mkdirSync(folder, { recursive: true });
  const list = objects().map((object) => JSON.stringify(object));
  writeFileSync(join(folder, "objects.yaml"), list.join("\n---\n"));
  const ready = [
    { for: "deployment/web", condition: "available" },
    { for: "pod/client", condition: "ready" },
  ];
  writeFileSync(
    join(folder, "lab.yaml"),
    JSON.stringify({
      apiVersion: "cnilab.dev/v1alpha1",
      kind: "Lab",
      metadata: { name: LAB, title: LAB },
      topology: "two-workers",
      cni: "calico",
      cluster: { addOns: ["metallb", "traefik"] },
      scenario: [
        { apply: "objects.yaml" },
        ...ready.map((each) => ({ wait: { ...each, namespace: "default", timeout: "60s" } })),
      ],
      probes: [],
    }),
  );
  cnilab(["up", folder]);
  const config = new KubeConfig();
  config.loadFromString(cnilab(["kubeconfig", LAB]).text);
  return config;
}

interface Load {
  sent: number;
  unanswered: number;
  outcomes: Record<string, { count: number; firstAtMs: number }>;
  p50Ms: number;
  p99Ms: number;
  tookMs: number;
}

/** From the host outside the cluster to the address of the load balancer. */
async function minute(config: KubeConfig): Promise<void> {
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);
  const { status } = await core.readNamespacedService({ namespace: "traefik", name: "traefik" });
  const address = status?.loadBalancer?.ingress?.[0]?.ip ?? "";
  // Its text, not its path: a lab's commands see this host's programs and no other files.
  const program = readFileSync(join(import.meta.dirname, "http-load.mjs"), "utf8");
  const command = [
    process.execPath,
    "--input-type=module",
    "-e",
    program,
    "--",
    `http://${address}/hostname`,
    HOST,
    `${RATE}`,
    `${SECONDS}`,
  ];
  const load = spawn(process.execPath, [main, "exec", LAB, "external", "--timeout", "90s", "--", ...command], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  load.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise((resolve) => load.once("close", resolve));
  let isOver = false;
  void ended.then(() => (isOver = true));
  const asMerge = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
  let changes = 0;
  while (!isOver) {
    // Up and down by turns, and one rollout in between: endpoints are made, end, and are replaced.
    const replicas = changes % 2 === 0 ? 2 * REPLICAS : REPLICAS / 2;
    const restarted = { metadata: { annotations: { restartedAt: `${changes}` } } };
    const body = { spec: { replicas, ...(changes % 5 === 4 ? { template: restarted } : {}) } };
    await apps.patchNamespacedDeployment({ namespace: "default", name: "web", body }, asMerge);
    changes++;
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 1000))]);
  }
  if (text === "") throw new Error(`the load ended with exit code ${load.exitCode}`);
  const { sent, unanswered, outcomes, p50Ms, p99Ms, tookMs } = JSON.parse(text) as Load;
  const lost =
    unanswered + Object.entries(outcomes).reduce((sum, [name, { count }]) => sum + (name === "200" ? 0 : count), 0);
  const rate = (sent / SECONDS).toFixed(0);
  line(
    `${sent} requests through an Ingress in ${(tookMs / 1000).toFixed(1)} s (${rate} a second), endpoints changed ${changes} times: ${lost} lost`,
  );
  line(`  answers after ${p50Ms.toFixed(1)} ms (median), ${p99Ms.toFixed(1)} ms (of a hundred the slowest)`);
  for (const [name, { count, firstAtMs }] of Object.entries(outcomes))
    if (name !== "200") line(`  ${count} × ${name}, the first after ${firstAtMs} ms`);
}

/** Commands of a lab are programs of this host. */
function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${program}`], { stdio: "ignore" }).status === 0;
}

/** Requests a second that wrk counts from a pod of another node. */
function carried(url: string): number {
  const command = ["wrk", "-t", "1", "-c", `${CONNECTIONS}`, "-d", "5s", "-H", `Host: ${HOST}`, url];
  const { text } = cnilab(["exec", LAB, "default/pod/client", "--", ...command]);
  const bad = /Non-2xx or 3xx responses: \d+|Socket errors: .*/.exec(text);
  if (bad !== null) throw new Error(`${url}: ${bad[0]}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
}

async function throughput(config: KubeConfig): Promise<void> {
  const missing = ["nginx", "wrk"].filter((program) => !isInstalled(program));
  if (missing.length > 0) {
    line(
      `Ingress beside nginx: no ${missing.join(" and no ")} here, so there is no figure (apt-get install nginx-light wrk)`,
    );
    return;
  }
  const core = config.makeApiClient(CoreV1Api);
  const [proxy] = (await core.listNamespacedPod({ namespace: "traefik" })).items;
  const servers = (await core.listNamespacedPod({ namespace: "default", labelSelector: "app=web" })).items;
  const address = proxy?.status?.podIP ?? "";
  const configuration = nginxConfiguration(servers.map(({ status }) => status?.podIP ?? ""));
  const script = 'printf %s "$1" > /tmp/nginx.conf && exec nginx -p /tmp -c /tmp/nginx.conf';
  const inPod = ["exec", LAB, `traefik/pod/${proxy?.metadata?.name}`, "--timeout", "5m", "--"];
  const peer = spawn(process.execPath, [main, ...inPod, "sh", "-c", script, "sh", configuration], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  peer.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  try {
    const ours: number[] = [];
    const theirs: number[] = [];
    const listening = [
      "exec",
      LAB,
      `traefik/pod/${proxy?.metadata?.name}`,
      "--",
      "ss",
      "-Hltn",
      `sport = :${NGINX_PORT}`,
    ];
    while (cnilab(listening).text.trim() === "") {
      // Its end is told between two looks: they hold everything up.
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (peer.exitCode !== null) throw new Error(`nginx ended with exit code ${peer.exitCode}: ${said}`);
    }
    for (let run = 0; run < runs; run++) {
      ours.push(carried(`http://${address}:8000/hostname`));
      theirs.push(carried(`http://${address}:${NGINX_PORT}/hostname`));
    }
    const direct = carried(`http://${servers[0]?.status?.podIP}:8080/hostname`);
    const [mine, his] = [median(ours), median(theirs)];
    line(
      `Ingress, ${CONNECTIONS} connections (medians of ${runs}): ${mine.toFixed(0)} requests a second; nginx with one worker in the same namespace, to the same servers: ${his.toFixed(0)}; ratio ${(mine / his).toFixed(2)}`,
    );
    line(`  one of the servers, asked without a proxy: ${direct.toFixed(0)}`);
  } finally {
    peer.kill("SIGTERM");
  }
}

function nginxConfiguration(addresses: readonly string[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path /tmp/${name};`,
  );
  return `user root; daemon off; worker_processes 1; pid /tmp/nginx.pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off; ${temporary.join(" ")}
  upstream web { ${addresses.map((address) => `server ${address}:8080;`).join(" ")} keepalive ${CONNECTIONS}; }
  server {
    listen ${NGINX_PORT};
    location / { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }
  }
}
`;
}

const parts = { minute, throughput };
try {
  const config = up();
  for (const [name, measure] of Object.entries(parts)) if (only === undefined || only === name) await measure(config);
  cnilab(["down", LAB]);
} finally {
  cleanUp();
}
