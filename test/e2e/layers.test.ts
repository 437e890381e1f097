import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab } from "./cnilab.ts";

interface Layered {
  layer?: { name: string; text: string; fact: string };
  observation?: { evidence: { kind: string; text: string; isDetail?: boolean }[] };
}

const AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53";
const SERVER = `{ name: c, image: "${AGNHOST}", args: [netexec, --http-port=8080], ports: [{ containerPort: 8080 }] }`;
const UNREADY = `{ name: c, image: "${AGNHOST}", args: [netexec, --http-port=8080], readinessProbe: { tcpSocket: { port: 9999 }, failureThreshold: 1 } }`;
const LOCAL = '{ name: c, image: "python:3", command: [python, -m, http.server, "8080", --bind, 127.0.0.1] }';
const DEAF = `{ name: c, image: "${AGNHOST}", args: [pause], ports: [{ containerPort: 8080 }] }`;

const pod = (name: string, node: string, container = SERVER): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec: { nodeName: ${node}, containers: [${container}] }
`;

const service = (name: string, app: string, targetPort: number | string = 8080): string => `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { selector: { app: ${app} }, ports: [{ port: 80, targetPort: ${targetPort} }] }
`;

const policy = (name: string, spec: string): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
`;

const WORLD = [
  "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n",
  ...["client", "well", "closed", "mute", "gone"].map((name) => pod(name, "worker1")),
  pod("deaf", "worker1", DEAF),
  pod("local", "worker1", LOCAL),
  pod("unready", "worker1", UNREADY),
  pod("narrow", "worker2"),
  pod("lost", "worker3"),
  pod("cut", "worker4"),
  ...["well", "unready", "deaf", "late", "gone"].map((name) => service(name, name)),
  `apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [${SERVER}] }
`,
  service("web", "web"),
  service("nobody", "nobody"),
  service("wrong", "well", 9999),
  service("nameless", "well", "web"),
  policy("closed", "{ podSelector: { matchLabels: { app: closed } }, policyTypes: [Ingress] }"),
  policy("mute", "{ podSelector: { matchLabels: { app: mute } }, policyTypes: [Egress] }"),
].join("---\n");

const NODES = ["control-plane", "worker1", "worker2", "worker3", "worker4"];
const TOPOLOGY = `{ networks: { lan: { subnet: 172.30.0.0/24 } }, nodes: { ${NODES.map(
  (name) => `${name}: { ${name === "control-plane" ? "role: control-plane, " : ""}networks: [lan] }`,
).join(", ")} } }`;

/** A probe that fails, and the layer that it has to name. */
type Broken = [name: string, layer: string, probe: string];

const tcp = (to: string, port = 8080, from = "client"): string =>
  `from: shop/pod/${from}, tcp: { to: ${to}, port: ${port} }, expect: allowed`;
const dns = (name: string): string => `from: shop/pod/client, dns: { name: ${name} }, expect: allowed`;

const ping = (from: string, to: string, more = ""): string =>
  `from: shop/pod/${from}, ping: { to: shop/pod/${to}${more} }, expect: allowed`;

/** Of one run each: a grade looks at six flows. */
const groups: Record<string, { steps?: string[]; probes: Broken[] }> = {
  "a Service": {
    probes: [
      ["no such port", "service", tcp("shop/service/well", 81)],
      ["selects nobody", "service", tcp("shop/service/nobody", 80)],
      ["a wrong targetPort", "service", tcp("shop/service/wrong", 80)],
      ["an unready endpoint", "endpoints", tcp("shop/service/unready", 80)],
      ["a targetPort's name that no pod has", "endpoints", tcp("shop/service/nameless", 80)],
      ["none of its pods listens", "listener", tcp("shop/service/deaf", 80)],
    ],
  },
  "what is not there": {
    steps: ["fault: { cniMissing: node/worker2 }", "apply: late.yaml", "delete: [shop/pod/gone, shop/service/gone]"],
    probes: [
      ["no such source", "source", tcp("shop/pod/well", 8080, "gone")],
      ["no such Service", "service", tcp("shop/service/gone", 80)],
      ["a pod without a CNI", "endpoints", tcp("shop/service/late", 80)],
      ["that pod itself", "destination", tcp("shop/pod/late")],
      ["a name that is not there", "name", dns("gone.shop.svc.cluster.local")],
      ["a URL's name", "name", "from: shop/pod/client, curl: { url: http://gone.shop/ }, expect: allowed"],
    ],
  },
  "listeners and policies": {
    probes: [
      ["no listener", "listener", tcp("shop/pod/deaf")],
      ["localhost only", "listener", tcp("shop/pod/local")],
      ["UDP", "listener", "from: shop/pod/client, udp: { to: shop/pod/well, port: 9000 }, expect: allowed"],
      ["ingress", "policy", tcp("shop/pod/closed")],
      ["egress", "policy", tcp("shop/pod/well", 8080, "mute")],
      ["egress to DNS", "policy", "from: shop/pod/mute, dns: { name: well.shop }, expect: allowed"],
    ],
  },
  "the way": {
    steps: [
      "fault: { linkDown: node/worker4 }",
      "fault: { mtu: node/worker2, bytes: 1300 }",
      "exec: { in: node/worker3, command: [ip, route, flush, dev, vxlan.calico] }",
    ],
    probes: [
      ["a link that is down", "link", ping("client", "cut")],
      ["from behind it", "link", ping("cut", "well")],
      ["no route", "route", ping("lost", "well")],
      ["no route back", "route", ping("well", "lost")],
      ["a packet that is too long", "mtu", ping("deaf", "narrow", ", size: 1400, dontFragment: true")],
    ],
  },
  "cluster DNS, and kube-proxy": {
    steps: [
      "fault: { dnsStopped: true }",
      "wait: { for: deployment/web, namespace: shop }",
      "fault: { kubeProxyStopped: node/worker1 }",
      "fault: { podKill: shop/deployment/web }",
      "wait: { for: deployment/web, namespace: shop }",
    ],
    probes: [
      ["the name", "name", dns("well.shop.svc.cluster.local")],
      ["a URL", "name", "from: shop/pod/client, curl: { url: http://well.shop/ }, expect: allowed"],
      ["rules of another time", "service", tcp("shop/service/web", 80)],
      ["its Service", "endpoints", tcp("kube-system/service/kube-dns", 53)],
    ],
  },
};

/** What else is to be seen, by the probe's name: part of the layer's sentence and fact. */
const words: Record<string, string> = {
  "an unready endpoint": "(shop/unready is not ready)",
  "a targetPort's name that no pod has": "shop/well declares no port named web",
  "a pod without a CNI": "no network config",
  "localhost only": "only on 127.0.0.1",
  ingress: "ingress policy on worker1 dropped it (its rule recorded",
  "a link that is down": "node/worker4 has a link that is down: eth0",
  "no route back": "the way back: node/worker3 has no route to",
  "a packet that is too long": "eth0 of worker2, 1300 bytes",
  "rules of another time": "kube-proxy's rules on worker1 do not follow Service shop/web (they lead to ",
  "the name": "Service kube-system/kube-dns has no ready endpoint",
  "its Service": "Deployment kube-system/coredns (0 replicas)",
};

let folder: string;
/** Runs are side by side: each has a state folder of its own. */
const commands: Cnilab[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-layers-"));
});

afterAll(async () => {
  for (const each of commands) await each.remove();
  rmSync(folder, { recursive: true });
});

function writeLab(name: string, steps: readonly string[], probes: readonly Broken[]): string {
  const lab = join(folder, name);
  mkdirSync(lab);
  writeFileSync(join(lab, "world.yaml"), WORLD);
  writeFileSync(join(lab, "late.yaml"), pod("late", "worker2"));
  const ready = ["client", "well", "narrow", "lost", "cut", "gone"].map(
    (each) => `wait: { for: pod/${each}, namespace: shop }`,
  );
  writeFileSync(
    join(lab, "lab.yaml"),
    [
      `apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: ${name}, title: Layers }`,
      `topology: ${TOPOLOGY}\ncni: { name: calico, mode: vxlan }\nscenario:`,
      ...["apply: world.yaml", ...ready, ...steps].map((step) => `  - ${step}`),
      "probes:",
      ...probes.map(([probe, , text]) => `  - { name: "${probe}", ${text} }`),
      "",
    ].join("\n"),
  );
  return lab;
}

async function layersOf(lab: string): Promise<Record<string, Layered>> {
  const cnilab = new Cnilab();
  commands.push(cnilab);
  const run = await cnilab.run("run", lab, "-o", "json");
  expect(run.stdout, run.stderr).not.toBe("");
  const { probes } = JSON.parse(run.stdout) as { probes: { name: string; cells: Layered[] }[] };
  return Object.fromEntries(probes.map(({ name, cells }) => [name, cells[0] ?? {}]));
}

describe("a failure names the layer at which it stopped, and no other", () => {
  test.concurrent.each(Object.entries(groups))("%s", async (name, { steps = [], probes }) => {
    const found = await layersOf(writeLab(name.replaceAll(/[ ,]+/g, "-").toLowerCase(), steps, probes));
    const named = Object.fromEntries(Object.entries(found).map(([probe, { layer }]) => [probe, layer?.name]));
    expect(named, JSON.stringify(found)).toEqual(Object.fromEntries(probes.map(([probe, layer]) => [probe, layer])));
    for (const [probe, { layer }] of Object.entries(found))
      expect(`${layer?.text} (${layer?.fact})`).toContain(words[probe] ?? "");
    const ends = found["ingress"]?.observation?.evidence.filter(({ kind }) => kind === "capture");
    if (ends === undefined) return;
    expect(ends.map(({ isDetail = false }) => isDetail)).toEqual([false, true, true]);
    expect(ends[1]?.text).toMatch(/^capture at shop\/client .*\nout at eth0: .*:8080 \(tcp, TTL 64\)/s);
  });
});
