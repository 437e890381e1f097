import { execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cnilab } from "../e2e/cnilab.ts";
import { until } from "../e2e/host-state.ts";
import { inDocker, labsIn, processesWith } from "./leftovers.ts";
import { startOnTerminal } from "./on-terminal.ts";
import { onRig, rigEnvironment, rigMissing } from "./rig.ts";
import { writeSmallLab } from "./small-lab.ts";

/*
 * Restarts the Docker engine, and with it every container of everybody: only where CNILAB_RIG_RESTART_DOCKER names the engine's
 * pid file, such as /run/docker.pid. The engine is started again with the arguments, environment and namespaces it had.
 */

const minutes = 60_000;
const NAME = "rig-restart";
const pidFile = process.env["CNILAB_RIG_RESTART_DOCKER"];

interface Engine {
  pid: number;
  argv: string[];
  environment: Record<string, string>;
}

function runningEngine(file: string): Engine {
  const pid = Number(readFileSync(file, "utf8"));
  const words = (of: string): string[] => readFileSync(`/proc/${pid}/${of}`, "utf8").split("\0").slice(0, -1);
  const environment = Object.fromEntries(
    words("environ").map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
  );
  return { pid, argv: words("cmdline"), environment };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function answers(): boolean {
  try {
    execFileSync("docker", ["version"], { env: rigEnvironment, stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** As a service manager does it: SIGTERM, which stops containers first, then the same command. */
async function restartEngine(file: string): Promise<void> {
  const { pid, argv, environment } = runningEngine(file);
  // Held while the engine is gone: the namespaces may be nobody else's.
  const namespaces = ["net", "mnt"].map((name) => openSync(`/proc/${pid}/ns/${name}`, "r"));
  const [net = -1, mnt = -1] = namespaces;
  process.kill(pid, "SIGTERM");
  await until(
    () => !isAlive(pid),
    60_000,
    () => `dockerd ${pid} did not end`,
  );
  const enter = [`--net=/proc/${process.pid}/fd/${net}`, `--mount=/proc/${process.pid}/fd/${mnt}`];
  const logFile = join(tmpdir(), `cnilab-rig-dockerd-${pid}.log`);
  const log = openSync(logFile, "w");
  spawn("nsenter", [...enter, "--", ...argv], {
    env: environment,
    detached: true,
    stdio: ["ignore", log, log],
  }).unref();
  await until(
    answers,
    60_000,
    () => `dockerd does not answer after its restart:\n${readFileSync(logFile, "utf8").slice(-2000)}`,
  );
  for (const descriptor of [...namespaces, log]) closeSync(descriptor);
  rmSync(logFile);
}

function tests(file: string): void {
  let cnilab: Cnilab;
  let lab: string;
  let before: ReturnType<typeof inDocker>;

  beforeAll(() => {
    cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 4 * minutes });
    lab = writeSmallLab(cnilab.stateHome, NAME);
    before = inDocker();
  });

  afterAll(() => cnilab.remove());

  function expectNothingLeft(said = ""): void {
    // Networks of Docker's own get new ids.
    const named = ({ containers, networks, volumes }: typeof before): object => ({
      containers,
      networks: networks.map((line) => line.split(" ")[0]),
      volumes,
    });
    expect(named(inDocker()), said).toEqual(named(before));
    expect(labsIn(cnilab.stateHome)).toEqual([]);
    expect(processesWith(`XDG_STATE_HOME=${cnilab.stateHome}`)).toEqual([]);
  }

  test("one that is up is found and removed afterwards", async () => {
    const up = await cnilab.run("up", lab, "--provider", "kind");
    expect(up.exitCode, up.stderr).toBe(0);
    await restartEngine(file);
    const status = await cnilab.run("status", "-o", "json");
    expect(status.stdout).toContain(`"${NAME}"`);
    const down = await cnilab.run("down", NAME);
    expect(down, down.stderr).toMatchObject({ exitCode: 0, stdout: `${NAME} removed\n` });
    expectNothingLeft();
  });

  test.each(["kind: Preparing nodes", "kind: Starting control-plane", "apply calico"])(
    "one that is at %s fails, and nothing is left once down has run",
    async (step) => {
      const command = startOnTerminal(cnilab.stateHome, "up", lab, "--provider", "kind");
      await command.told(step);
      await restartEngine(file);
      const { exitCode, said } = await command.ended;
      expect([4, 5], said).toContain(exitCode);
      const down = await cnilab.run("down", NAME);
      expect(down.exitCode, down.stderr).toBe(0);
      expectNothingLeft(`${said}\n${down.stdout}`);
    },
  );
}

const missing =
  pidFile === undefined ? "needs Docker and the rig for itself: CNILAB_RIG_RESTART_DOCKER is not set" : undefined;
onRig(rigMissing ?? missing)("a lab on kind when the Docker engine is restarted", () => tests(pidFile ?? ""));
