import { execFileSync, spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect } from "vitest";
import { openRemote } from "../../src/exec/ssh/remote.ts";
import type { OpenOptions, Remote, SshTarget } from "../../src/exec/ssh/types.ts";
import { startMachines } from "./machines.ts";
import type { RigMachine, RigMachines } from "./machines.ts";

/* What tests of connections to the rig's machines share. */

/** Without the agent of whoever runs the tests. */
const { SSH_AUTH_SOCK: _, ...environment } = process.env;

/** Nothing of the host's own configuration. */
export function targetOf(machine: RigMachine, more: Partial<SshTarget> = {}): SshTarget {
  const { name, address: host, user, keyFile: identityFile, knownHostsFile } = machine;
  return { name, host, user, identityFile, knownHostsFile, configFile: "/dev/null", ...more };
}

type Three = readonly [RigMachine, RigMachine, RigMachine];

/** Connections of the tests of a file, which are closed behind them. */
export interface Connections {
  open(machine: RigMachine, options?: OpenOptions, more?: Partial<SshTarget>): Promise<Remote>;
  /** Those that a test opened otherwise. */
  keep(...remotes: readonly Remote[]): void;
}

/** Three machines for all tests of a file; `begin` gets them before the first. */
export function withMachines(begin: (machines: Three, set: RigMachines) => void): Connections {
  const remotes: Remote[] = [];
  let set: RigMachines | undefined;
  beforeAll(() => {
    set = startMachines(3);
    begin(set.machines as unknown as Three, set);
  });
  afterAll(async () => {
    await Promise.all(remotes.map((remote) => remote.close()));
    set?.remove();
  });
  return {
    open: async (machine, options = {}, more = {}) => {
      const remote = await openRemote(targetOf(machine, more), { environment, ...options });
      remotes.push(remote);
      return remote;
    },
    keep: (...others) => void remotes.push(...others),
  };
}

/** As root on the machine, past SSH. */
export function on(machine: RigMachine, script: string, ...args: string[]): string {
  return execFileSync("docker", ["exec", machine.container, "bash", "-c", script, "-", ...args], {
    encoding: "utf8",
  });
}

/** Programs of that many seconds; each test has its own number, so that others' are not counted. */
export const sleepers = (machine: RigMachine, seconds: number): number =>
  Number(on(machine, 'pgrep -xf "sleep $1" | wc -l', String(seconds)));

export const gone = (machine: RigMachine, seconds: number, timeout: number): Promise<void> =>
  expect.poll(() => sleepers(machine, seconds), { timeout, interval: 100 }).toBe(0);

export const started = (machine: RigMachine, seconds: number): Promise<void> =>
  expect.poll(() => sleepers(machine, seconds), { timeout: 10_000, interval: 50 }).toBeGreaterThan(0);

/** A program of its own that has the machine as `remote` and tells when it is there. */
export function startClient(machine: RigMachine, code: string): ChildProcessByStdio<null, Readable, null> {
  const [program, ...args] = clientWords(machine, `console.log("open"); ${code}`);
  return spawn(program, args, { env: environment, stdio: ["ignore", "pipe", "inherit"] });
}

/** The command line of a program of its own that has the machine as `remote`. */
export function clientWords(machine: RigMachine, code: string): [string, ...string[]] {
  const main = JSON.stringify(fileURLToPath(new URL("../../src/exec/ssh/remote.ts", import.meta.url)));
  const open = `import { openRemote } from ${main}; const remote = await openRemote(JSON.parse(process.argv[1]));`;
  const options = ["--import", "tsx", "--input-type=module", "-e", `${open} ${code}`];
  return [process.execPath, ...options, JSON.stringify(targetOf(machine))];
}

export { environment };
