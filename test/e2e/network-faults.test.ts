import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab } from "./cnilab.ts";
import { processes } from "./host-state.ts";

interface Report {
  probes: { name: string; verdict: string; cells: { observation?: { outcome: string } }[] }[];
}

const CONTAINER =
  '{ name: c, image: "registry.k8s.io/e2e-test-images/agnhost:2.53", args: [netexec, --http-port=8080] }';

const pod = (name: string, node: string): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec:
  nodeName: ${node}
  containers: [${CONTAINER}]
`;

const service = (name: string, app: string): string => `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { selector: { app: ${app} }, ports: [{ port: 80, targetPort: 8080 }] }
`;

const WORLD = [
  "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n",
  pod("left", "worker1"),
  pod("right", "worker2"),
  pod("beside", "worker2"),
  service("right", "right"),
  `apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { nodeName: worker2, containers: [${CONTAINER}] }
`,
  service("web", "web"),
].join("---\n");

const LATE = `${pod("late", "worker2")}---\n${service("late", "late")}`;

/** What the fault has to break, and what it must not; the same probes are to pass after the restore. */
interface Case {
  fault: string;
  restore: string;
  topology?: string;
  cnis?: string[];
  /** After the fault, before the probes. */
  meanwhile?: string[];
  broken: Record<string, string>;
  whole: Record<string, string>;
}

const tcp = (from: string, to: string, port = 8080): string =>
  `{ from: ${from}, tcp: { to: ${to}, port: ${port} }, expect: allowed }`;
const LEFT = "shop/pod/left";
const RIGHT = "shop/pod/right";
const big = `{ from: ${LEFT}, ping: { to: ${RIGHT}, size: 1300 }, expect: allowed }`;

/** Asks by ARP until six answers have come, and fails unless they are of two hardware addresses. */
const TWO_ANSWERS = [
  "timeout 20 tcpdump -nl --immediate-mode -i eth0 -c 6 'arp[7] = 2 and arp[14:4] = 0xac1e0004' > /tmp/seen & seen=$!;",
  "while kill -0 $seen; do ip neigh flush to 172.30.0.4; ping -c 1 -W 1 172.30.0.4; done;",
  "test $(grep -o 'is-at [0-9a-f:]*' /tmp/seen | sort -u | wc -l) = 2",
].join(" ");

const upload = `{ from: ${LEFT}, curl: { to: ${RIGHT}, port: 8080, path: "/echo?msg=x", method: POST, timeout: 1s, data: ${"x".repeat(4000)} }, expect: { status: 200 } }`;

const cases: Record<string, Case> = {
  linkDown: {
    fault: "{ linkDown: node/worker2 }",
    restore: "{ linkDown: node/worker2 }",
    cnis: ["flannel:vxlan", "flannel:host-gw", "calico:vxlan", "calico:cross-subnet", "calico:direct"],
    broken: {
      "to the node's pod": tcp(LEFT, RIGHT),
      "from the node's pod": tcp(RIGHT, LEFT),
      "out of the node": `{ from: ${RIGHT}, ping: { to: external }, expect: allowed }`,
    },
    whole: { elsewhere: `{ from: ${LEFT}, ping: { to: external }, expect: allowed }` },
  },
  nodeDown: {
    fault: "{ nodeDown: node/worker2 }",
    restore: "{ nodeDown: node/worker2 }",
    cnis: ["flannel:host-gw", "calico:vxlan"],
    broken: {
      "to the node's pod": tcp(LEFT, RIGHT),
      "from the node's pod": tcp(RIGHT, LEFT),
      "its endpoint is away": tcp(LEFT, "shop/service/right", 80),
      "two pods of the node": tcp(RIGHT, "shop/pod/beside"),
    },
    whole: { elsewhere: `{ from: ${LEFT}, ping: { to: node/control-plane }, expect: allowed }` },
  },
  partition: {
    fault: "{ partition: [[node/worker1], [node/worker2]] }",
    restore: "{ partition: [[node/worker2], [node/worker1]] }",
    cnis: ["flannel:vxlan", "calico:direct"],
    broken: { across: tcp(LEFT, RIGHT), back: tcp(RIGHT, LEFT) },
    whole: {
      "a node of neither side to one": "{ from: node/control-plane, ping: { to: node/worker1 }, expect: allowed }",
      "a node of neither side to the other":
        "{ from: node/control-plane, ping: { to: node/worker2 }, expect: allowed }",
      outside: `{ from: ${RIGHT}, ping: { to: external }, expect: allowed }`,
    },
  },
  "partition of two networks": {
    topology:
      "{ networks: { a: { subnet: 172.30.1.0/24 }, b: { subnet: 172.30.2.0/24 } }, nodes: { control-plane: { role: control-plane, networks: [a] }, worker1: { networks: [a] }, worker2: { networks: [b] } } }",
    fault: "{ partition: [[node/worker1], [node/worker2]] }",
    restore: "{ partition: [[node/worker1], [node/worker2]] }",
    broken: { "through the router": tcp(LEFT, RIGHT) },
    whole: { "the other node": "{ from: node/control-plane, ping: { to: node/worker2 }, expect: allowed }" },
  },
  mtu: {
    fault: "{ mtu: node/worker2, bytes: 1000 }",
    restore: "{ mtu: node/worker2 }",
    cnis: ["calico:direct"],
    broken: { "packets over the MTU": big, "a TCP segment that is cut only on its way": upload },
    whole: { "small packets": `{ from: ${LEFT}, ping: { to: ${RIGHT}, size: 500 }, expect: allowed }` },
  },
  loss: {
    fault: "{ loss: node/worker2, percent: 60 }",
    restore: "{ loss: node/worker2 }",
    broken: { "most are lost": `{ from: ${LEFT}, ping: { to: ${RIGHT}, count: 100 }, expect: { loss: "<= 20 %" } }` },
    whole: {
      "another link":
        '{ from: node/control-plane, ping: { to: node/worker1, count: 100 }, expect: { loss: "<= 0 %" } }',
    },
  },
  "loss of all": {
    fault: "{ loss: node/worker2, percent: 100 }",
    restore: "{ loss: node/worker2 }",
    broken: { all: tcp(LEFT, RIGHT) },
    whole: { "another link": tcp("node/control-plane", LEFT) },
  },
  rateLimit: {
    fault: "{ rateLimit: node/worker2, rate: 5 Mbit/s }",
    restore: "{ rateLimit: node/worker2 }",
    broken: {
      "to the node": `{ iperf: { from: ${LEFT}, to: ${RIGHT}, time: 1s }, expect: { bandwidth: ">= 6 Mbit/s" } }`,
    },
    whole: { "it answers": tcp(LEFT, RIGHT) },
  },
  kubeProxyStopped: {
    fault: "{ kubeProxyStopped: node/worker1 }",
    restore: "{ kubeProxyStopped: node/worker1 }",
    meanwhile: ["fault: { podKill: shop/deployment/web }", "wait: { for: deployment/web, namespace: shop }"],
    broken: { "a Service whose pod is another now": tcp(LEFT, "shop/service/web", 80) },
    whole: {
      "a Service that stayed the same": tcp(LEFT, "shop/service/right", 80),
      "another node": tcp(RIGHT, "shop/service/web", 80),
    },
  },
  dnsStopped: {
    fault: "{ dnsStopped: true }",
    restore: "{ dnsStopped: true }",
    broken: { name: `{ from: ${LEFT}, dns: { name: web.shop.svc.cluster.local }, expect: allowed }` },
    whole: { address: tcp(LEFT, "shop/service/web", 80) },
  },
  cniMissing: {
    fault: "{ cniMissing: node/worker2 }",
    restore: "{ cniMissing: node/worker2 }",
    meanwhile: ["apply: late.yaml"],
    broken: { "a new pod's Service": tcp(LEFT, "shop/service/late", 80) },
    whole: { "pods that are there": tcp(LEFT, RIGHT) },
  },
  duplicateAddress: {
    fault: "{ duplicateAddress: node/worker2 }",
    restore: "{ duplicateAddress: node/worker2 }",
    meanwhile: [`exec: { in: node/worker1, command: [sh, -c, ${JSON.stringify(TWO_ANSWERS)}] }`],
    broken: { "to the node's pod": tcp(LEFT, RIGHT), "from the node's pod": tcp(RIGHT, LEFT) },
    whole: {
      "the address, by whoever has it": "{ from: node/worker1, ping: { to: node/worker2 }, expect: allowed }",
      elsewhere: tcp("node/control-plane", LEFT),
    },
  },
  conntrackFull: {
    fault: "{ conntrackFull: node/worker2 }",
    restore: "{ conntrackFull: node/worker2 }",
    broken: {
      "to the node's pod": tcp(LEFT, RIGHT),
      "from the node's pod": tcp(RIGHT, LEFT),
      "by ICMP": `{ from: ${LEFT}, ping: { to: ${RIGHT} }, expect: allowed }`,
    },
    whole: { elsewhere: tcp("node/control-plane", LEFT) },
  },
};

let folder: string;
/** Every command has a state folder of its own: all the labs have one name, and the runs are side by side. */
const commands: Cnilab[] = [];

function command(): Cnilab {
  const cnilab = new Cnilab();
  commands.push(cnilab);
  return cnilab;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-faults-"));
});

afterAll(async () => {
  for (const each of commands) await each.remove();
  rmSync(folder, { recursive: true });
});

function writeLab(name: string, steps: readonly string[], probes: Record<string, string>, topology?: string): string {
  const lab = join(folder, name);
  mkdirSync(lab, { recursive: true });
  writeFileSync(join(lab, "world.yaml"), WORLD);
  writeFileSync(join(lab, "late.yaml"), LATE);
  const ready = ["pod/left", "pod/right", "pod/beside", "deployment/web"].map(
    (each) => `wait: { for: ${each}, namespace: shop }`,
  );
  writeFileSync(
    join(lab, "lab.yaml"),
    [
      "apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: faulty, title: A fault }",
      ...(topology === undefined ? [] : [`topology: ${topology}`]),
      "cni: calico\ncnis: [calico, flannel]\nscenario:",
      ...["apply: world.yaml", ...ready, ...steps].map((step) => `  - ${step}`),
      "probes:",
      ...Object.entries(probes).map(([probe, text]) => `  - { name: "${probe}", ${text.slice(2)}`),
      "",
    ].join("\n"),
  );
  return lab;
}

async function verdicts(lab: string, cni: string): Promise<Record<string, string>> {
  const run = await command().run("run", lab, "--cni", cni, "-o", "json");
  expect(run.stdout, run.stderr).not.toBe("");
  const { probes } = JSON.parse(run.stdout) as Report;
  const outcome = (cells: Report["probes"][number]["cells"]): string => cells[0]?.observation?.outcome ?? "nothing";
  return Object.fromEntries(probes.map(({ name, verdict, cells }) => [name, `${verdict}: ${outcome(cells)}`]));
}

const runs = Object.entries(cases).flatMap(([name, each]) =>
  (each.cnis ?? ["calico:vxlan"]).map((cni) => ({ name, cni, ...each })),
);

describe("a fault is seen by probes that pass once it is restored", () => {
  test.concurrent.each(runs)(
    "$name on $cni",
    async ({ name, cni, fault, restore, meanwhile = [], broken, whole, topology }) => {
      const probes = { ...broken, ...whole };
      const slug = `${name} ${cni}`.replaceAll(/[ :]/g, "-");
      const during = writeLab(slug, [`fault: ${fault}`, ...meanwhile], probes, topology);
      const seen = await verdicts(during, cni);
      for (const probe of Object.keys(broken)) expect(seen[probe], probe).toMatch(/^fail: (dropped|rejected|allowed)$/);
      for (const probe of Object.keys(whole)) expect(seen[probe], probe).toBe("pass: allowed");
      const mended = [`fault: ${fault}`, ...meanwhile, `restore: ${restore}`];
      const late = meanwhile.includes("apply: late.yaml") ? ["wait: { for: pod/late, namespace: shop }"] : [];
      const after = await verdicts(writeLab(slug, [...mended, ...late], probes, topology), cni);
      expect(new Set(Object.values(after)), JSON.stringify(after)).toEqual(new Set(["pass: allowed"]));
    },
  );
});

test("a killed pod is gone where nobody makes another, and replaced where a workload does", async () => {
  const steps = ["fault: { podKill: shop/pod/right }", "fault: { podKill: shop/deployment/web }"];
  const probes = {
    "the pod alone": tcp(LEFT, "shop/service/right", 80),
    "the pod of a Deployment": tcp(LEFT, "shop/service/web", 80),
  };
  const lab = writeLab("pod-kill", [...steps, "wait: { for: deployment/web, namespace: shop }"], probes);
  expect(await verdicts(lab, "calico:vxlan")).toEqual({
    "the pod alone": "fail: rejected",
    "the pod of a Deployment": "pass: allowed",
  });
});

test("a fault with a duration is there for that time, and gone by itself", async () => {
  const reach = (script: string): string => `exec: { in: node/worker1, command: [sh, -c, "${script}"] }`;
  const lab = writeLab(
    "lasting",
    [
      "fault: { linkDown: node/worker2, duration: 2s }",
      "fault: { partition: [[node/worker1], [node/worker2]], duration: 2s }",
      reach("! ping -c 1 -W 0.2 172.30.0.4"),
      reach("for i in $(seq 50); do ping -c 1 -W 0.2 172.30.0.4 && exit 0; done; exit 1"),
    ],
    { "from a pod, too": tcp(LEFT, RIGHT) },
  );
  expect(await verdicts(lab, "calico:vxlan")).toEqual({ "from a pod, too": "pass: allowed" });
});

test("a delay is made where the kernel has netem, and refused with its name where it has not", async () => {
  const argv = ["-Urn", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"];
  const hasNetem = spawnSync("unshare", argv).status === 0;
  const probes = { slow: `{ from: ${LEFT}, ping: { to: ${RIGHT} }, expect: { rtt: "< 40 ms" } }` };
  const lab = writeLab("delay", ["fault: { delay: node/worker2, time: 50ms }"], probes);
  if (hasNetem) expect(await verdicts(lab, "calico:vxlan")).toEqual({ slow: "fail: allowed" });
  else {
    const run = await command().run("run", lab);
    expect(run.exitCode).toBe(5);
    expect(run.stderr).toContain("HOST_NO_NETEM");
    expect(run.stderr).toContain("CONFIG_NET_SCH_NETEM");
  }
});

test("faults that this provider cannot make are refused by name, at their line", async () => {
  const lab = writeLab("refused", ["fault: { pause: node/worker1 }"], { any: tcp(LEFT, RIGHT) });
  const run = await command().run("plan", lab);
  expect(run.exitCode).toBe(2);
  expect(run.stderr).toMatch(/lab\.yaml:\d+:\d+ {2}PLAN_PROVIDER_LACKS {2}provider netns has no fault pause/);
});

test("labs with faults leave nothing behind", () => {
  for (const { stateHome } of commands) {
    expect(processes().filter(({ commandLine }) => commandLine.includes(stateHome))).toEqual([]);
    const labs = join(stateHome, "cnilab/labs");
    expect(existsSync(labs) ? readdirSync(labs) : []).toEqual([]);
  }
});
