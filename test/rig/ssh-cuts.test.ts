import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { LabError } from "../../src/core/errors.ts";
import { openRemotes } from "../../src/exec/ssh/remote.ts";
import type { Remote } from "../../src/exec/ssh/types.ts";
import { newLeaseOwner, readLease, releaseLeases } from "../../src/providers/ssh/lease.ts";
import type { RigMachine, RigMachines } from "./machines.ts";
import { describeOnRig } from "./rig.ts";
import { environment, gone, on, startClient, targetOf, withMachines } from "./ssh-machines.ts";

/** How many times connections are cut, each time those of one machine: CNILAB_SSH_CUTS=100 is for changes of this part. */
const CUTS = Number(process.env["CNILAB_SSH_CUTS"] ?? 36);
const OWNER = { ...newLeaseOwner("cut", "/somewhere"), owner: "somebody@elsewhere" };

/** What a client does until it is killed. */
const CALLS = `
  import { acquireLeases } from ${JSON.stringify(fileURLToPath(new URL("../../src/providers/ssh/lease.ts", import.meta.url)))};
  acquireLeases([{ name: "m", remote }], ${JSON.stringify(OWNER)}, { phase: "install" }).catch(() => undefined);
  remote.run(["sh", "-c", "sleep 9007 & sleep 9007"], { timeoutMs: 1e6 });
  remote.step("sleep 9007 & sleep 9007", [], { sudo: true, timeoutMs: 1e6 });
  remote.writeFile("/home/lab/cut-client", Buffer.alloc(5_000_000)).catch(() => undefined);`;

/* Many connections at once, and connections that are cut. */
describeOnRig("many connections, and lost ones", () => {
  let set: RigMachines;
  let first: RigMachine;
  const { open, keep } = withMachines((machines, all) => {
    set = all;
    [first] = machines;
  });

  test("fifty connections to three machines that turn some away are all opened, none lost", async () => {
    for (const { container } of set.machines) {
      const script = "echo 'MaxStartups 3:30:10' > /etc/ssh/sshd_config.d/few.conf; systemctl reload ssh";
      execFileSync("docker", ["exec", container, "sh", "-c", script]);
    }
    const targets = Array.from({ length: 50 }, (_, index) => targetOf(set.machines[index % 3] ?? first));
    const opened = await openRemotes(targets, { environment });
    keep(...opened);
    const names = await Promise.all(opened.map((remote) => remote.must("hostname")));
    expect(names).toEqual(targets.map(({ name }) => `${name}\n`));
    await Promise.all(opened.map((remote) => remote.close()));
  });

  test("after random cuts every call has ended, remotes work, nothing is left over, and leases say whose they are", async () => {
    // A loaded machine is silent for more than a second by itself.
    const silenceMs = 4000;
    /** Whatever the cut: a result or an error that says what happened. */
    const outcome = async (what: string, work: Promise<unknown>): Promise<string> => {
      const hung = delay(45_000, `${what} hung`, { ref: false });
      const ended = work.then(
        () => "result",
        (error: unknown) => (error instanceof LabError ? error.code : `no LabError: ${String(error)}`),
      );
      return Promise.race([ended, hung]);
    };
    const cuts = {
      killed: (machine: RigMachine) => void on(machine, "pkill -KILL -u lab sshd || true"),
      dropped: async (machine: RigMachine) => {
        on(machine, "iptables -I INPUT -p tcp --dport 22 -j DROP");
        await delay(silenceMs * 1.5);
        on(machine, "iptables -F INPUT");
      },
      reset: async (machine: RigMachine) => {
        on(machine, "iptables -I INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset");
        await delay(200);
        on(machine, "iptables -F INPUT");
      },
    };
    const kinds = ["killed", "reset", "killed", "dropped", "killed", "process"] as const;
    const seen = new Map<string, number>();
    const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
    /** Killed while it took the machine, a program holds it and says so, or does not. */
    const giveBack = async (name: string, remote: Remote): Promise<void> => {
      const state = await readLease({ name, remote });
      count(`a lease is ${state.kind}`);
      if (state.kind !== "free") expect(state).toMatchObject({ lease: { lab: "cut", owner: OWNER.owner } });
      await releaseLeases([{ name, remote }], OWNER);
    };
    const calls = (remote: Remote, round: number): Promise<string>[] => [
      outcome(
        "a command",
        remote.run(["sh", "-c", "sleep 9007 & sleep 9007"], { sudo: round % 2 === 0, timeoutMs: 10_000 }),
      ),
      outcome(
        "a step",
        remote.step("sleep 0.2; sleep 9007 & sleep 9007", [], { sudo: round % 3 === 0, timeoutMs: 10_000 }),
      ),
      outcome("a file", remote.writeFile(`/home/lab/cut-${round}`, Buffer.alloc(2_000_000), { sudo: round % 2 === 1 })),
      outcome("a short command", remote.run(["true"], { timeoutMs: 10_000 })),
    ];
    const rounds = async (machine: RigMachine): Promise<void> => {
      const many = await Promise.all([1, 2, 3].map(() => open(machine, { silenceMs })));
      for (let round = 0; round < CUTS / set.machines.length; round++) {
        const running = many.map(async (remote) => {
          await delay(Math.random() * 300);
          return Promise.all(calls(remote, round));
        });
        const kind = kinds[round % kinds.length] ?? "killed";
        if (kind === "process") {
          const child = startClient(machine, CALLS);
          await once(child.stdout, "data");
          await delay(Math.random() * 400);
          child.kill("SIGKILL");
        }
        await delay(Math.random() * 400);
        await (kind === "process" ? cuts.killed(machine) : cuts[kind](machine));
        for (const what of (await Promise.all(running)).flat()) count(what);
        count(`a cut: ${kind}`);
        const [remote] = many;
        // A remote that was idle when it was cut may learn of it by its next call only, which then ends with that.
        for (const each of many) count(await outcome("a first call", each.run(["true"], { timeoutMs: 10_000 })));
        if (kind === "process" && remote !== undefined) await giveBack(machine.name, remote);
      }
      for (const remote of many) expect(await remote.must("hostname")).toBe(`${machine.name}\n`);
    };
    await Promise.all(set.machines.map(rounds));
    console.log(JSON.stringify(Object.fromEntries(seen)));
    const allowed = /^(result|REMOTE_LOST|REMOTE_TIMEOUT|SSH_UNREACHABLE|a cut: \w+|a lease is (free|held))$/;
    expect([...seen.keys()].filter((what) => !allowed.test(what))).toEqual([]);
    expect(seen.get("REMOTE_LOST")).toBeGreaterThan(2.5 * CUTS);
    for (const machine of set.machines) {
      await gone(machine, 9007, 20_000);
      await expect.poll(() => on(machine, "ls -A /home/lab"), { timeout: 10_000 }).not.toContain(".cnilab-");
      on(machine, "rm -f /home/lab/cut-*");
    }
  });
});
