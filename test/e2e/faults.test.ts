import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab, repository } from "./cnilab.ts";
import { labProcesses, namespacesInUse, until } from "./host-state.ts";

/** Writes to the control socket and resolves once the lab has closed it. */
function send(path: string, data: string | Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    socket.resume();
    socket.write(data);
  });
}

/** The answer to one `list` call, as the lab wrote it. */
function ask(path: string, id: number, params: object): Promise<string> {
  const client = createConnection(path);
  client.write(`${JSON.stringify({ id, method: "list", params })}\n`);
  return new Promise((resolve, reject) => {
    let text = "";
    client.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.endsWith("\n")) client.end();
    });
    client.on("error", reject);
    client.on("close", () => resolve(text));
  });
}

describe("a lab that is up", () => {
  let cnilab: Cnilab;
  let namespaces: Set<string>;
  let pods: { name: string; node: string; ip: string }[];
  const folder = (): string => join(cnilab.stateHome, "cnilab/labs/first-lab");
  const exec = (source: string, ...argv: string[]): ReturnType<Cnilab["run"]> =>
    cnilab.run("exec", "first-lab", source, "--", ...argv);

  beforeAll(async () => {
    cnilab = new Cnilab();
    namespaces = namespacesInUse();
    const up = await cnilab.run("up", "labs/first-lab");
    expect(up.exitCode, up.stderr).toBe(0);
    const answer = JSON.parse(await ask(join(folder(), "control.sock"), 1, { kind: "Pod" })) as {
      result: { metadata: { name: string }; spec: { nodeName: string }; status: { podIP: string } }[];
    };
    pods = answer.result.map(({ metadata: { name }, spec, status }) => ({
      name,
      node: spec.nodeName,
      ip: status.podIP,
    }));
  });

  afterAll(async () => {
    await cnilab.run("down", "--all");
    await cnilab.remove();
  });

  test("nonsense on the control socket ends that connection and nothing else", async () => {
    const socket = join(folder(), "control.sock");
    const nonsense = [
      "x\n",
      "null\n",
      "{}\n",
      '{"id":1}\n',
      "[]\n",
      "\n",
      '{"cancel":"x"}\n',
      Buffer.alloc(65 << 20, 97),
    ];
    for (const each of nonsense) await send(socket, each);
    expect((await exec("external", "true")).exitCode).toBe(0);
  });

  test("fifty clients at once each get their answer", async () => {
    const socket = join(folder(), "control.sock");
    const answers = await Promise.all(Array.from({ length: 50 }, (_, id) => ask(socket, id, { kind: "Node" })));
    expect(answers.map((text) => (JSON.parse(text) as { id: number }).id)).toEqual(answers.map((_, id) => id));
  });

  test("a client that goes away takes its command along", async () => {
    const client = cnilab.start("exec", "first-lab", "external", "--", "sleep", "987");
    const sleeping = (): boolean =>
      labProcesses(cnilab.stateHome, namespaces).some(({ commandLine }) => commandLine.startsWith("sleep 987"));
    await until(sleeping, 5000, () => "the command did not start");
    client.kill("SIGKILL");
    await until(
      () => !sleeping(),
      5000,
      () => "the command still runs",
    );
  });

  test("a capture on a node sees a ping between nodes inside VXLAN, and pings fit the pod MTU exactly", async () => {
    const from = pods.find(({ name }) => name.startsWith("visitor"));
    const to = pods.find(({ name, node }) => name.startsWith("web") && node !== from?.node);
    if (from === undefined || to === undefined) throw new Error(`no pair of nodes among ${JSON.stringify(pods)}`);
    const capture = exec(`node/${to.node}`, "timeout", "5", "tcpdump", "-c", "2", "-lni", "eth0", "udp port 4789");
    let isCaptured = false;
    void capture.then(() => (isCaptured = true));
    const visitor = `visitors/pod/${from.name}`;
    while (!isCaptured) await exec(visitor, "ping", "-c1", "-W1", to.ip);
    const { stdout } = await capture;
    expect(stdout).toMatch(/172\.30\.0\.\d+\.\d+ > 172\.30\.0\.\d+\.4789: VXLAN, flags \[I\] \(0x08\), vni 4096/);
    expect(stdout).toContain(`IP ${from.ip} > ${to.ip}: ICMP echo request`);
    expect((await exec(visitor, "ping", "-c1", "-W1", "-M", "do", "-s", "1422", to.ip)).exitCode).toBe(0);
    const tooLong = await exec(visitor, "ping", "-c1", "-W1", "-M", "do", "-s", "1423", to.ip);
    expect(tooLong.exitCode).not.toBe(0);
    expect(`${tooLong.stdout}${tooLong.stderr}`).toContain("message too long, mtu=1450");
  });

  test("down removes a lab whose processes are all stopped", async () => {
    const rows = labProcesses(cnilab.stateHome, namespaces);
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const { pid } of rows) process.kill(pid, "SIGSTOP");
    const down = await cnilab.run("down", "first-lab");
    expect(down.exitCode, down.stderr).toBe(0);
    await until(
      () => labProcesses(cnilab.stateHome, namespaces).length === 0,
      5000,
      () => JSON.stringify(labProcesses(cnilab.stateHome, namespaces)),
    );
    expect(readdirSync(join(cnilab.stateHome, "cnilab/labs"))).toEqual([]);
  });

  test("a lab whose state folder is deleted ends", async () => {
    const up = await cnilab.run("up", "labs/first-lab");
    expect(up.exitCode, up.stderr).toBe(0);
    expect(labProcesses(cnilab.stateHome, namespaces)).not.toEqual([]);
    rmSync(folder(), { recursive: true });
    await until(
      () => labProcesses(cnilab.stateHome, namespaces).length === 0,
      5000,
      () => JSON.stringify(labProcesses(cnilab.stateHome, namespaces)),
    );
    expect(existsSync(folder())).toBe(false);
  });
});

test("a state folder with a long name, and a /proc of which parts are hidden", async () => {
  const base = mkdtempSync(join(tmpdir(), "cnilab-long-"));
  const state = join(base, "x".repeat(120));
  mkdirSync(state);
  const main = join(repository, "dist/cli/main.js");
  const env = { ...process.env, XDG_STATE_HOME: state, NO_COLOR: "1", CI: "true" };
  try {
    const run = (...args: string[]): string =>
      execFileSync(process.execPath, [main, ...args], { env, cwd: repository, encoding: "utf8", stdio: "pipe" });
    run("up", "labs/first-lab");
    expect(run("exec", "first-lab", "external", "--", "echo", "here")).toBe("here\n");
    run("down", "first-lab");

    const hidden = spawn(
      "unshare",
      ["--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs none /proc/tty && exec "$@"', "sh"].concat([
        process.execPath,
        main,
        "up",
        "labs/first-lab",
      ]),
      { env, cwd: repository, stdio: ["ignore", "ignore", "pipe"] },
    );
    let stderr = "";
    hidden.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("utf8")));
    const exitCode = await new Promise((resolve) => hidden.once("close", resolve));
    expect(exitCode, stderr).toBe(4);
    expect(stderr).toContain("LAB_PROCESS_ENDED");
    expect(stderr).toContain("a /proc of its own was refused (EPERM): parts of this one are hidden");
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain("/proc/tty");
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
});
