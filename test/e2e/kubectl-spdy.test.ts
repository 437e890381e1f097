import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startScript } from "../rig/on-terminal.ts";
import { onRig, rigMissing } from "../rig/rig.ts";
import type { Finished } from "./cnilab.ts";
import { processes } from "./host-state.ts";
import { KubectlLab } from "./kubectl.ts";

/** kubectl as it was before 1.31, which speaks SPDY without WebSocket; agnhost, as Cyclonus runs it; and the end of a lab under open streams. */
onRig(rigMissing)("kubectl over SPDY", () => {
  const lab = new KubectlLab({
    KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false",
    KUBECTL_PORT_FORWARD_WEBSOCKETS: "false",
  });
  const kubectl = (args: readonly string[], input?: Buffer | string): Promise<Finished> => lab.run(args, input);
  const web = ["-n", "shop", "deploy/web"];

  beforeAll(() => lab.start("first-lab"), 60_000);

  afterAll(() => lab.cnilab.remove());

  test("a command has its streams apart, its input and its exit code", async () => {
    const exec = ["exec", "-i", ...web, "--"];
    expect(await kubectl([...exec, "sh", "-c", "cat; echo err >&2; exit 3"], "typed")).toEqual({
      exitCode: 3,
      stdout: "typed",
      stderr: "err\ncommand terminated with exit code 3\n",
    });
    const bytes = randomBytes(8 << 20);
    const digest = createHash("sha256").update(bytes).digest("hex");
    expect((await kubectl([...exec, "sha256sum"], bytes)).stdout).toBe(`${digest}  -\n`);
    expect((await kubectl([...exec, "base64", "-w0"], bytes)).stdout === bytes.toString("base64")).toBe(true);
  });

  test("a terminal has the caller's size, and ^C is felt", async () => {
    const program = "trap 'exit 5' INT; stty size; while :; do sleep 0.05; done";
    const words = ["kubectl", "exec", "-it", ...web, "--", "bash", "-c", program];
    const { script, told, ended } = startScript(words, { terminal: "cols 101 rows 33", environment: lab.environment });
    await told("33 101");
    script.stdin.write("\u0003");
    expect(await ended).toMatchObject({ exitCode: 5 });
  });

  test("a port is forwarded", async () => {
    const child = spawn("kubectl", ["port-forward", ...web, ":80"], { env: lab.environment });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const port = Number(/^Forwarding from 127\.0\.0\.1:(\d+) -> /.exec(line.toString())?.[1]);
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${port}/`)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    child.kill();
    await once(child, "exit");
  });

  test("agnhost connect tells what became of a connection, in its own words", async () => {
    const image = "--image=registry.k8s.io/e2e-test-images/agnhost:2.43";
    for (const [name, protocol] of [
      ["tcp", "--tcp"],
      ["udp", "--udp"],
    ] as const) {
      const server = ["/agnhost", "serve-hostname", protocol, "--http=false", "--port=80"];
      expect((await kubectl(["run", name, image, "--command", "--", ...server])).exitCode).toBe(0);
    }
    expect((await kubectl(["expose", "pod", "tcp", "--port=80"])).exitCode).toBe(0);
    expect((await kubectl(["wait", "--for=condition=Ready", "pod/tcp", "pod/udp", "--timeout=20s"])).exitCode).toBe(0);
    const address = (await kubectl(["get", "pod", "udp", "-o", "jsonpath={.status.podIP}"])).stdout;
    const blocked = (await kubectl(["-n", "shop", "get", "svc", "db", "-o", "jsonpath={.spec.clusterIP}"])).stdout;
    const connect = async (...args: string[]): Promise<[number | null, string]> => {
      const { exitCode, stdout, stderr } = await kubectl(["exec", "tcp", "--", "/agnhost", "connect", ...args]);
      expect(stdout).toBe("");
      return [exitCode, stderr.replace("command terminated with exit code 1\n", "")];
    };
    const results = await Promise.all([
      connect("tcp:80"),
      connect("tcp.default.svc.cluster.local:80", "--timeout=3s"),
      connect(`${address}:80`, "--protocol=udp", "--timeout=3s"),
      connect(`${address}:80`, "--timeout=3s"),
      connect(`${address}:81`, "--protocol=udp", "--timeout=3s"),
      connect(`${blocked}:5432`, "--timeout=100ms"),
      connect("240.0.0.1:1", "--timeout=100ms", "--protocol", "udp"),
      connect("nosuch.default:80"),
      connect("nosuch"),
      connect("tcp:80", "--protocol=sctp"),
      connect("--timeout=never", "tcp:80"),
    ]);
    expect(results).toEqual([
      [0, ""],
      [0, ""],
      [0, ""],
      [1, "REFUSED\n"],
      [1, `REFUSED: read udp ${address}:81: connection refused\n`],
      [1, "TIMEOUT\n"],
      [1, expect.stringMatching(/^TIMEOUT: read udp 240\.0\.0\.1:1: i\/o timeout\n$/)],
      [1, expect.stringMatching(/^DNS: lookup nosuch\.default on [\d.]+:53: no such host\n$/)],
      [1, "UNKNOWN: address nosuch: missing port in address\n"],
      [1, "OTHER: protocol not supported\n"],
      [1, expect.stringContaining('invalid argument "never" for "--timeout" flag')],
    ]);
    const elsewhere = await kubectl(["exec", ...web, "--", "/agnhost", "connect", "tcp:80"]);
    expect(elsewhere.stderr).toContain('exec: "/agnhost": executable file not found');
  });

  test("a lab that is taken down ends all of its streams at once, and what they ran", async () => {
    const mark = `4322.${process.pid}`;
    const start = (...args: string[]): ChildProcess =>
      spawn("kubectl", args, { env: lab.environment, stdio: ["ignore", "pipe", "ignore"] });
    const overWebSocket = { ...lab.environment, KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "true" };
    const sleep = ["exec", ...web, "--", "sh", "-c", `echo begun; sleep ${mark}`];
    const open = [
      start(...sleep),
      spawn("kubectl", sleep, { env: overWebSocket, stdio: ["ignore", "pipe", "ignore"] }),
      start("logs", "-f", "-n", "shop", "deploy/web"),
      start("port-forward", ...web, ":80"),
      start("get", "pods", "-A", "--watch"),
    ];
    const ended = Promise.all(open.map((child) => once(child, "exit")));
    await Promise.all(open.map(({ stdout }) => once(stdout as NodeJS.EventEmitter, "data")));
    const state = dirname(lab.kubeconfig);
    expect(existsSync(state)).toBe(true);
    const down = await lab.cnilab.run("down", "first-lab");
    expect(down.exitCode, down.stderr).toBe(0);
    // It has removed the lab when it comes back: nothing of it is waited for.
    expect(processes().filter(({ commandLine }) => commandLine.startsWith(`sleep ${mark}`))).toEqual([]);
    expect(existsSync(state)).toBe(false);
    const startedAt = performance.now();
    await ended;
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});
