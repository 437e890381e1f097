import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { agentDaemonSet } from "../../src/providers/existing/agents.ts";
import { containerAgents } from "../../src/providers/real/agents/container-agents.ts";
import { hostAgents } from "../../src/providers/real/agents/host-agents.ts";
import { podAgents } from "../../src/providers/real/agents/pod-agents.ts";
import { openKubernetesApi } from "../../src/providers/real/api/kubernetes-api.ts";
import { flowEvidence } from "../../src/providers/real/evidence/flow-evidence.ts";
import type { Agents, Place } from "../../src/providers/real/types.ts";
import type { Flow } from "../../src/providers/types.ts";
import { cell, deadlineMs, failure, inspect, outcomes, sweep } from "./agent-calls.ts";
import { agentObjects } from "./agent-objects.ts";
import { expectCaptures, expectEchoes } from "./agent-packets.ts";
import { describeOnRig, onRig, rigEnvironment, rigMissing } from "./rig.ts";
import { SHARED_NETWORK, sharedCluster } from "./shared-cluster.ts";

/*
 * One contract, three implementations: agents in this process, in helper containers, and in pods, on a real cluster whose CNI
 * enforces policies. CNILAB_AGENT_IMAGE may name another image with python3 and the tools.
 */
let kubeconfig = "";
const image = process.env["CNILAB_AGENT_IMAGE"] ?? "rig/node:1";
const missing = rigMissing;
const isRoot = process.getuid?.() === 0;
const namespace = `agents-${process.pid}`;
const podAgentsNamespace = `${namespace}-pods`;
const label = "dev.cnilab.test";

const run = promisify(execFile);
async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await run("kubectl", ["--kubeconfig", kubeconfig, ...args], {
    maxBuffer: 16 << 20,
    env: rigEnvironment,
  });
  return stdout;
}

interface Found {
  place: Place & { kind: "pod" };
  address: string;
}

interface PodJson {
  metadata: { name: string; uid: string };
  spec: { nodeName: string };
  status: { podIP: string };
}

const pods = new Map<string, Found>();

async function readPods(): Promise<void> {
  const { items } = JSON.parse(await kubectl("-n", namespace, "get", "pods", "-o", "json")) as { items: PodJson[] };
  for (const { metadata, spec, status } of items) {
    const place = { kind: "pod", node: spec.nodeName, namespace, name: metadata.name, uid: metadata.uid } as const;
    pods.set(metadata.name, { place, address: status.podIP });
  }
}

function pod(name: string): Found {
  const found = pods.get(name);
  if (found === undefined) throw new Error(`no pod ${name}`);
  return found;
}

async function apply(objects: unknown[]): Promise<void> {
  const child = run("kubectl", ["--kubeconfig", kubeconfig, "apply", "-f", "-"], { env: rigEnvironment });
  child.child.stdin?.end(objects.map((each) => JSON.stringify(each)).join("\n"));
  await child;
}

let nodes: string[] = [];
const client = (): Place => pod("client").place;
const scratchDirectory = mkdtempSync(join(tmpdir(), "cnilab-agents-"));
const external = `cnilab-agents-external-${process.pid}`;

interface Implementation {
  name: string;
  skip: boolean;
  make: () => Promise<Agents>;
  /** No agent is on the host outside the cluster. */
  hasNoOutside?: boolean;
}

const implementations: Implementation[] = [
  {
    name: "agents of this process",
    skip: !isRoot,
    make: () =>
      hostAgents({
        nodes: new Map(nodes.map((node) => [node, inspect(node).pid])),
        externalPid: inspect(external).pid,
        scratchDirectory,
      }),
  },
  {
    name: "agents in helper containers",
    skip: false,
    make: () =>
      containerAgents({
        docker: new Docker(),
        nodes: new Map(nodes.map((node) => [node, inspect(node).id])),
        externalId: inspect(external).id,
        image,
        labels: { [label]: String(process.pid) },
      }),
  },
  {
    name: "agents in pods of the cluster",
    skip: false,
    hasNoOutside: true,
    make: async () => {
      const metadata = { name: podAgentsNamespace };
      await apply([
        { apiVersion: "v1", kind: "Namespace", metadata },
        agentDaemonSet(podAgentsNamespace, image, nodes),
      ]);
      await kubectl("-n", podAgentsNamespace, "rollout", "status", "daemonset/agent", "--timeout=60s");
      return podAgents({
        api: await openKubernetesApi(readFileSync(kubeconfig, "utf8")),
        namespace: podAgentsNamespace,
        nodes,
        kubectl: `kubectl --kubeconfig ${kubeconfig}`,
      });
    },
  },
];

const helpers = (): string[] =>
  execFileSync("docker", ["ps", "-aq", "--no-trunc", "--filter", `label=${label}=${process.pid}`], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line !== "");

beforeAll(async () => {
  if (missing !== undefined) return;
  kubeconfig = await sharedCluster();
  nodes = (await kubectl("get", "nodes", "-o", "name"))
    .trim()
    .split("\n")
    .map((name) => name.replace("node/", ""));
  const workers = nodes.filter((name) => !name.includes("control-plane"));
  execFileSync("docker", [
    "run",
    "-d",
    "--rm",
    "--init",
    `--network=${SHARED_NETWORK}`,
    `--name=${external}`,
    image,
    "sleep",
    "900",
  ]);
  await apply(agentObjects(namespace, workers));
  await kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s");
  await readPods();
}, 600_000);

afterAll(async () => {
  rmSync(scratchDirectory, { recursive: true, force: true });
  if (missing !== undefined) return;
  execFileSync("docker", ["rm", "-f", external]);
  // To the end: the next file on this cluster holds what it finds against what it leaves.
  await kubectl("delete", "namespace", namespace, podAgentsNamespace, "--ignore-not-found", "--timeout=120s");
}, 150_000);

describe.each<Implementation>(implementations)("$name", ({ skip, make, hasNoOutside = false }) => {
  onRig(missing ?? (skip ? "needs Docker and root on its host" : undefined))("on a real cluster", () => {
    let agents: Agents;
    beforeAll(async () => {
      agents = await make();
      // A policy is in force some time after its pod is ready.
      await vi.waitFor(
        async () =>
          expect(await outcomes(agents, [cell(client(), pod("closed").address, 8080)])).toEqual(["no-answer"]),
        { timeout: 30_000 },
      );
    }, 60_000);
    afterAll(() => agents?.close());

    test("tells answers, refusals and silence of TCP and UDP apart", async () => {
      const open = pod("server").address;
      const closed = pod("closed").address;
      const results = await sweep(agents, [
        cell(client(), open, 8080),
        cell(client(), open, 81),
        cell(client(), closed, 8080),
        cell(client(), open, 8081, "udp"),
        cell(client(), open, 82, "udp"),
        cell(client(), closed, 8081, "udp"),
        cell(pod("friend").place, closed, 8080),
        cell(pod("friend").place, closed, 8081, "udp"),
      ]);
      expect(results.map(({ outcome }) => outcome)).toEqual([
        "answered",
        "refused",
        "no-answer",
        "answered",
        "refused",
        "no-answer",
        "answered",
        "answered",
      ]);
      expect(results[0]?.latencyMs).toBeLessThan(deadlineMs / 2);
      expect(results[2]?.latencyMs).toBeGreaterThanOrEqual(deadlineMs);
    });

    test("reaches pods from nodes, from pods on the node's network and from outside, as each of them can", async () => {
      const address = pod("server").address;
      const node = pod("client").place.node;
      const host = pod("server").place.node;
      const hostAddress = pod("host-client").address;
      expect(
        await outcomes(agents, [
          cell({ kind: "node", node }, address, 8080),
          cell(pod("host-client").place, address, 8080),
          cell(hasNoOutside ? { kind: "node", node } : { kind: "external" }, hostAddress, 10250),
          cell({ kind: "node", node: host }, "127.0.0.1", 10248),
        ]),
      ).toEqual(["answered", "answered", "answered", "answered"]);
      const own = await agents.exec(pod("host-client").place, ["ip", "-br", "address"], { timeoutMs: 5000 });
      expect(own.stdout).toContain(hostAddress);
    });

    test("says unreachable where a route says so", async () => {
      // No one has this address on the nodes' network: neighbour resolution gives up after three seconds (arp(7)).
      const absent = pod("host-client").address.replace(/\d+$/, "254");
      const from: Place = { kind: "node", node: pod("client").place.node };
      const { cells } = await agents.sweep([{ ...cell(from, absent, 80), id: 1 }], { deadlineMs: 6000 });
      expect(cells).toMatchObject([{ id: 1, outcome: "unreachable", detail: "EHOSTUNREACH" }]);
    });

    test("has an error, never silence, for a pod, a node or an address that is not there", async () => {
      const gone = { ...pod("client").place, uid: "00000000-0000-4000-8000-000000000000" };
      const elsewhere = { ...pod("client").place, node: pod("server").place.node };
      const results = await sweep(agents, [
        cell(gone, pod("server").address, 8080),
        cell(elsewhere, pod("server").address, 8080),
        cell({ kind: "node", node: "nowhere" }, pod("server").address, 8080),
        cell(client(), "no-such-host", 8080),
        cell(client(), pod("server").address, 8080),
      ]);
      expect(results.map(({ outcome }) => outcome)).toEqual(["error", "error", "error", "error", "answered"]);
      expect(results[0]?.detail).toContain("SOURCE_MISSING");
      expect(await failure(agents.exec(gone, ["ip", "address"], { timeoutMs: 5000 }))).toMatchObject({
        code: "SOURCE_MISSING",
      });
    });

    test("answers 500 cells at once, each right", async () => {
      const targets = [
        { address: pod("server").address, port: 8080, protocol: "tcp", outcome: "answered" },
        { address: pod("server").address, port: 81, protocol: "tcp", outcome: "refused" },
        { address: pod("closed").address, port: 8080, protocol: "tcp", outcome: "no-answer" },
        { address: pod("server").address, port: 8081, protocol: "udp", outcome: "answered" },
        { address: pod("closed").address, port: 8081, protocol: "udp", outcome: "no-answer" },
      ] as const;
      const cells = Array.from(
        { length: 500 },
        (_, index) => targets[index % targets.length] as (typeof targets)[number],
      );
      const results = await sweep(
        agents,
        cells.map(({ address, port, protocol }) => cell(client(), address, port, protocol)),
      );
      expect(results.map(({ outcome }) => outcome)).toEqual(cells.map(({ outcome }) => outcome));
    });

    test("runs tools that the pod's image may lack, with the pod's names and addresses", async () => {
      const name = `server.${namespace}.svc.cluster.local`;
      const [dig, short, names, host] = await Promise.all([
        agents.exec(client(), ["dig", "+short", name], { timeoutMs: 10_000 }),
        agents.exec(client(), ["curl", "-sS", "-m", "5", "http://server:8080/hostname"], { timeoutMs: 10_000 }),
        agents.exec(client(), ["cat", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname"], { timeoutMs: 5000 }),
        agents.exec(client(), ["hostname"], { timeoutMs: 5000 }),
      ]);
      expect(dig.stdout).toMatch(/^10\./);
      expect(short).toMatchObject({ exitCode: 0, signal: null, timedOut: false, stdout: "server", proofs: [] });
      expect(names.stdout).toContain(`search ${namespace}.svc.cluster.local`);
      expect(names.stdout).toContain(`${pod("client").address}\tclient`);
      expect(host.stdout).toBe("client\n");
      const ping = await agents.exec(client(), ["ping", "-c", "1", "-W", "2", pod("server").address], {
        timeoutMs: 5000,
      });
      expect(ping.stdout).toContain("1 received");
      const blocked = await agents.exec(client(), ["ping", "-c", "1", "-W", "1", pod("closed").address], {
        timeoutMs: 5000,
      });
      expect(blocked).toMatchObject({ exitCode: 1, timedOut: false });
    });

    test("shows a command nothing of this host, and lets it change nothing", async () => {
      const script =
        "ls /work /home /root /var/lib 2>/dev/null; touch /etc/x /usr/x; ls /proc | grep -c '^[0-9]'; id -u; grep CapEff /proc/self/status";
      const { stdout, stderr } = await agents.exec(client(), ["sh", "-c", script], { timeoutMs: 5000 });
      const lines = stdout
        .trim()
        .split("\n")
        .map((line) => line.replace("/root:", ""))
        .filter((line) => line !== "");
      expect(stderr).toContain("Read-only file system");
      expect(Number(lines[0])).toBeLessThan(8);
      expect(lines[1]).toBe("0");
      // No more than setting a group, low ports and raw sockets.
      expect(Number.parseInt(lines[2]?.split("\t")[1] ?? "ff", 16) & ~0x2440).toBe(0);
    });

    test("tells a missing tool from a tool that fails", async () => {
      const missing = await failure(agents.exec(client(), ["no-such-tool", "x"], { timeoutMs: 5000 }));
      expect(missing.code).toBe("EXEC_NOT_STARTED");
      expect(missing.message).toContain("no-such-tool");
      expect(await failure(agents.exec(client(), ["/usr/bin/no-such-tool"], { timeoutMs: 5000 }))).toMatchObject({
        code: "EXEC_NOT_STARTED",
      });
      expect(await agents.exec(client(), ["sh", "-c", "exit 127"], { timeoutMs: 5000 })).toMatchObject({
        exitCode: 127,
      });
      expect(await agents.exec(client(), ["sh", "-c", "kill -TERM $$"], { timeoutMs: 5000 })).toMatchObject({
        exitCode: 143,
        signal: null,
      });
    });

    test("ends a command, and all that it started, at its timeout and at an abort", async () => {
      const marker = `3${process.pid}1`;
      const script = `setsid sleep ${marker} & sleep ${marker}`;
      const late = await agents.exec(client(), ["sh", "-c", script], { timeoutMs: 300 });
      expect(late).toMatchObject({ exitCode: null, signal: "SIGKILL", timedOut: true });
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 300);
      const options = { timeoutMs: 20_000, signal: controller.signal };
      const aborted = await agents.exec(client(), ["sh", "-c", script], options);
      expect(aborted).toMatchObject({ exitCode: null, signal: "SIGKILL", timedOut: false });
      expect(aborted.durationMs).toBeLessThan(5000);
      await expect
        .poll(() => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }))
        .not.toContain(`sleep ${marker}`);
    });

    test("hands on input of any length and bounds output", async () => {
      const stdin = "0123456789abcdef".repeat(200_000);
      const counted = await agents.exec(client(), ["wc", "-c"], { timeoutMs: 20_000, stdin });
      expect(counted.stdout.trim()).toBe(String(stdin.length));
      const unread = await agents.exec(client(), ["true"], { timeoutMs: 20_000, stdin });
      expect(unread.exitCode).toBe(0);
      const big = await agents.exec(client(), ["sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x; echo e >&2"], {
        timeoutMs: 30_000,
      });
      expect(big).toMatchObject({ exitCode: 0, stderr: "e\n" });
      expect(big.stdout.length).toBeLessThan(1_100_000);
      expect(big.stdout).toMatch(/x\n\[cut: 20000000 bytes in all\]\n$/);
    });

    test("starts servers, says why one does not listen, and stops them", async () => {
      const address = pod("server").address;
      const from = client();
      const server = await agents.serve(pod("server").place, ["iperf3", "-s"], { readyPort: 5201, timeoutMs: 10_000 });
      const speed = await agents.exec(from, ["iperf3", "-c", address, "-n", "10M", "-J"], { timeoutMs: 20_000 });
      expect(speed.exitCode).toBe(0);
      expect(
        await failure(agents.serve(pod("server").place, ["iperf3", "-s"], { readyPort: 5201, timeoutMs: 5000 })),
      ).toMatchObject({ code: "SERVE_FAILED" });
      await server.stop();
      expect(await outcomes(agents, [cell(from, address, 5201)])).toEqual(["refused"]);
      const ends = agents.serve(from, ["sh", "-c", "echo no such luck; exit 3"], { readyPort: 5201, timeoutMs: 5000 });
      expect((await failure(ends)).message).toMatch(/exit code 3.*no such luck/);
      const idle = agents.serve(from, ["sleep", "60"], { readyPort: 5201, timeoutMs: 200 });
      expect(await failure(idle)).toMatchObject({ code: "SERVE_FAILED" });
    });

    test("pastes a command that does the same", async () => {
      const { paste } = await agents.exec(client(), ["ip", "-br", "address"], { timeoutMs: 5000 });
      expect(execFileSync("sh", ["-c", paste], { encoding: "utf8" })).toContain(pod("client").address);
    });

    const summaryOf = async (name: string, port: number): Promise<string> => {
      const { place, address } = pod(name);
      const source = pod("client").place;
      const flow: Flow = { from: source, to: [place], address, port, protocol: "tcp" };
      const targets = [{ place, addresses: [address] }];
      const [summary, ...details] = await flowEvidence(agents, { flow, source, targets, nodeAddresses: [] });
      expect(details.length).toBeGreaterThan(8);
      expect(details.filter(({ text }) => text.includes("not to be had"))).toEqual([]);
      return summary?.text ?? "";
    };

    test("show how far a flow comes, the node and the rule that dropped it, and whose refusal it was", async () => {
      const closed = await summaryOf("closed", 8080);
      const { node } = pod("closed").place;
      expect(closed).toContain(`SYN seen leaving pod ${namespace}/client, not arriving at pod ${namespace}/closed\n`);
      expect(closed).toMatch(new RegExp(`\n  taken in by node ${node} \\(\\S+\\), which does not pass it on\n`));
      const rule = `filter cali-tw-cali\\w+ ".*"; policies it came by: ${namespace}/closed \\(ingress\\)`;
      expect(closed).toMatch(new RegExp(`\nnode ${node} dropped [12] packets?: ${rule}`));
      const silent = await summaryOf("server", 8088);
      expect(silent).toContain(`RST seen leaving pod ${namespace}/server, and it arrives at pod ${namespace}/client`);
    });

    test("send packets of a given length that nobody may fragment, whatever the kernel learnt before", () =>
      expectEchoes(agents, pod));

    test("capture all that passes before they are told to stop, with interface and direction", () =>
      expectCaptures(agents, pod));

    test("hands over what a command prints as it prints it, and kills it when told", async () => {
      const marker = `6${process.pid}4`;
      let printed = "";
      const running = await agents.follow(
        client(),
        ["sh", "-c", `echo out; echo err >&2; sleep ${marker}`],
        (text, stream) => {
          printed += `${stream}:${text}`;
        },
      );
      await expect.poll(() => printed).toContain("out:out");
      await expect.poll(() => printed).toContain("err:err");
      await running.stop();
      await expect
        .poll(() => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }))
        .not.toContain(`sleep ${marker}`);
    });

    test("a pod that is deleted under way is an error, never a block", async () => {
      const victim = pod("victim");
      const [{ cells }, executed] = await Promise.all([
        agents.sweep([{ ...cell(victim.place, pod("closed").address, 8080), id: 7 }], { deadlineMs: 12_000 }),
        failure(
          agents.exec(victim.place, ["ping", "-c", "1", "-W", "12", pod("closed").address], { timeoutMs: 20_000 }),
        ),
        kubectl("-n", namespace, "delete", "pod", "victim", "--grace-period=1"),
      ]);
      expect(cells).toMatchObject([{ id: 7, outcome: "error" }]);
      expect(executed.code).toBe("SOURCE_MISSING");
      await apply(
        agentObjects(
          namespace,
          nodes.filter((name) => !name.includes("control-plane")),
        ),
      );
      await kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/victim", "--timeout=60s");
      await readPods();
      expect(pod("victim").place.uid).not.toBe(victim.place.uid);
      expect(await outcomes(agents, [cell(pod("victim").place, pod("server").address, 8080)])).toEqual(["answered"]);
    }, 120_000);

    test("nothing runs once they are closed", async () => {
      const other = await make();
      const marker = `4${process.pid}2`;
      const running = failure(other.exec(client(), ["sleep", marker], { timeoutMs: 60_000 }));
      await expect.poll(() => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })).toContain(`sleep ${marker}`);
      const before = helpers().length;
      await other.close();
      expect((await running).code).toBe("AGENT_LOST");
      await expect
        .poll(() => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }))
        .not.toContain(`sleep ${marker}`);
      expect(helpers().length).toBe(before === 0 ? 0 : before - nodes.length - 1);
      expect(await failure(other.exec(client(), ["true"], { timeoutMs: 1000 }))).toMatchObject({ code: "AGENT_LOST" });
    });
  });
});

describeOnRig("an agent that is killed", () => {
  test("is an error of its cells alone, and the next use starts another", async () => {
    const make = implementations[1]?.make ?? (() => Promise.reject(new Error("no implementation")));
    const agents = await make();
    try {
      const { node } = pod("client").place;
      const target = inspect(node).id;
      const helper = helpers().find((id) =>
        execFileSync("docker", ["inspect", "-f", "{{.HostConfig.PidMode}}", id], { encoding: "utf8" }).includes(target),
      );
      expect(helper).toBeDefined();
      const marker = `5${process.pid}3`;
      const command = failure(agents.exec(client(), ["sleep", marker], { timeoutMs: 60_000 }));
      const cells = [
        { ...cell(client(), pod("closed").address, 8080), id: 1 },
        { ...cell(pod("friend").place, pod("closed").address, 8080), id: 2 },
      ];
      expect(pod("friend").place.node).not.toBe(node);
      const sweeping = agents.sweep(cells, { deadlineMs: 4000 });
      await expect.poll(() => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })).toContain(`sleep ${marker}`);
      process.kill(inspect(helper ?? "").pid, "SIGKILL");
      const results = await sweeping;
      expect(results.cells.find(({ id }) => id === 1)).toMatchObject({ outcome: "error" });
      expect(results.cells.find(({ id }) => id === 1)?.detail).toContain("AGENT_LOST");
      expect(results.cells.find(({ id }) => id === 2)).toMatchObject({ outcome: "answered" });
      expect((await command).code).toBe("AGENT_LOST");
      await expect
        .poll(() => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }))
        .not.toContain(`sleep ${marker}`);
      expect(await outcomes(agents, [cell(client(), pod("server").address, 8080)])).toEqual(["answered"]);
    } finally {
      await agents.close();
    }
    expect(helpers()).toEqual([]);
  }, 60_000);
});
