import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import pLimit from "p-limit";
import { openRemote, openRemotes } from "../src/exec/ssh/remote.ts";
import type { SshTarget } from "../src/exec/ssh/types.ts";
import { startMachines } from "../test/rig/machines.ts";
import type { RigMachine } from "../test/rig/machines.ts";
import { line, median } from "./bench-figures.ts";

/*
 * `npm run bench:ssh [RUNS]`: steps on a machine beside one ssh(1) a command over a ControlMaster, and fifty connections beside one,
 * in the same run, one after another in turn. Machines share this host's processors: beside fifty connections stands what they cost
 * where nothing but a login is done (ssh2 alone), most of which is sshd's. Needs Docker with the rig's machine image, and ssh.
 */
const runs = Number(process.argv[2] ?? 5);
const STEPS = 100;
const CONNECTIONS = 50;
/** That of login.ts. */
const OPENING_LIMIT = 6;
const { SSH_AUTH_SOCK: _, ...environment } = process.env;

function targetOf(machine: RigMachine): SshTarget {
  const { name, address: host, user, keyFile: identityFile, knownHostsFile } = machine;
  return { name, host, user, identityFile, knownHostsFile, configFile: "/dev/null" };
}

function milliseconds(figure: number): string {
  return `${figure.toFixed(figure < 10 ? 2 : 0)} ms`;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** A command of ssh(1) over a connection that is open already. */
async function steps(machine: RigMachine, directory: string): Promise<void> {
  const config = join(directory, "bench_config");
  const options = [
    `HostName ${machine.address}`,
    `User ${machine.user}`,
    `IdentityFile ${machine.keyFile}`,
    `UserKnownHostsFile ${machine.knownHostsFile}`,
    `ControlPath ${join(directory, "master")}`,
  ];
  writeFileSync(config, `Host machine\n  ${options.join("\n  ")}\n`);
  const ssh = (...args: string[]): void => void execFileSync("ssh", ["-F", config, ...args], { stdio: "ignore" });
  ssh("-M", "-N", "-f", "machine");
  const remote = await openRemote(targetOf(machine), { environment });
  try {
    const figures = { step: [] as number[], sudo: [] as number[], run: [] as number[], ssh: [] as number[] };
    await remote.must("true", [], { sudo: true });
    for (let run = 0; run < runs; run++) {
      const each = async (times: number, work: () => unknown): Promise<number> =>
        (await timed(async () => {
          for (let index = 0; index < times; index++) await work();
        })) / times;
      figures.step.push(await each(STEPS, () => remote.must("true")));
      figures.sudo.push(await each(STEPS, () => remote.must("true", [], { sudo: true })));
      figures.run.push(await each(STEPS / 10, () => remote.run(["true"])));
      figures.ssh.push(await each(STEPS / 10, () => ssh("machine", "true")));
    }
    const [step, sudo, run, peer] = [figures.step, figures.sudo, figures.run, figures.ssh].map(median);
    if (step === undefined || sudo === undefined || run === undefined || peer === undefined) return;
    line(`a step: ${milliseconds(step)}, as root ${milliseconds(sudo)}; a process of its own: ${milliseconds(run)}`);
    line(`  ssh over a ControlMaster: ${milliseconds(peer)}; ratio ${(peer / step).toFixed(1)} (target >= 10)`);
  } finally {
    await remote.close();
    spawnSync("ssh", ["-F", config, "-O", "exit", "machine"], { stdio: "ignore" });
  }
}

/** As many logins at a time to one sshd as we have, without anything else: one cipher, one key, no known hosts, no shell. */
async function bareLogins(machines: readonly RigMachine[], count: number): Promise<() => void> {
  const { Client } = (await import("ssh2")).default;
  const limits = machines.map(() => pLimit(OPENING_LIMIT));
  const clients = await Promise.all(
    Array.from({ length: count }, (__, index) => {
      const machine = machines[index % machines.length];
      const limit = limits[index % machines.length];
      if (machine === undefined || limit === undefined) throw new Error("no machines");
      return limit(async () => {
        const sock = connect({ host: machine.address, port: 22, noDelay: true });
        await once(sock, "connect");
        const client = new Client();
        const cipher = ["aes128-gcm@openssh.com" as const];
        client.connect({
          sock,
          username: machine.user,
          privateKey: readFileSync(machine.keyFile),
          algorithms: { cipher },
        });
        await once(client, "ready");
        // sshd may reset what has ended.
        return client.on("error", () => undefined);
      });
    }),
  );
  return () => clients.forEach((client) => client.end());
}

async function connections(machines: readonly RigMachine[]): Promise<void> {
  const [first] = machines;
  if (first === undefined) return;
  const many = Array.from({ length: CONNECTIONS }, (__, index) => targetOf(machines[index % machines.length] ?? first));
  const ours = { one: [] as number[], all: [] as number[] };
  const bare = { one: [] as number[], all: [] as number[] };
  for (let run = 0; run < runs; run++) {
    for (const which of ["one", "all"] as const) {
      const targets = which === "one" ? many.slice(0, 1) : many;
      const opened: Awaited<ReturnType<typeof openRemotes>> = [];
      ours[which].push(await timed(async () => opened.push(...(await openRemotes(targets, { environment })))));
      await Promise.all(opened.map((remote) => remote.close()));
      let end: (() => void) | undefined;
      bare[which].push(await timed(async () => (end = await bareLogins(machines, targets.length))));
      end?.();
    }
  }
  const told = ({ one, all }: typeof ours): string => {
    const ratios = all.map((figure, index) => figure / (one[index] ?? Number.NaN));
    return `${milliseconds(median(all))}, one: ${milliseconds(median(one))}; ratio ${median(ratios).toFixed(1)}`;
  };
  line(`${CONNECTIONS} connections to ${machines.length} machines: ${told(ours)} (target <= 12)`);
  const more = median(ours.all.map((figure, index) => figure / (bare.all[index] ?? Number.NaN)));
  line(`  nothing but logins, the floor: ${told(bare)}; ours take ${more.toFixed(2)} times that`);
}

line(
  `load: ${loadavg()
    .map((figure) => figure.toFixed(1))
    .join(" ")} on ${availableParallelism()} processors`,
);
const set = startMachines(3);
try {
  const [first] = set.machines;
  if (first !== undefined) await steps(first, set.directory);
  await connections(set.machines);
} finally {
  set.remove();
}
