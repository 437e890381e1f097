import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import type { Comparison } from "../../src/report/compare-types.ts";
import { Cnilab } from "../e2e/cnilab.ts";
import { differences, gradedEverywhere, wrongGrades } from "./comparison.ts";
import { labsIn, processesWith } from "./leftovers.ts";
import { factsChanged, machineFacts } from "./machine-facts.ts";
import { type RigMachine, type RigMachines, startMachines } from "./machines.ts";
import { startOnTerminal } from "./on-terminal.ts";
import { onRig, rigEnvironment, rigMissing } from "./rig.ts";
import { on } from "./ssh-machines.ts";

const minutes = 60_000;
const ansibleMissing = process.env["CNILAB_ANSIBLE_MISSING"] ?? "";
// Calico beside kind, and all labs on both, take twenty minutes: `npm run test:machines` has them.
const isLong = process.env["CNILAB_LONG_LANES"] !== undefined;
const lanes = [
  ...(isLong ? [{ cni: "calico", other: "kind", some: ["default-deny", "service-discovery", "egress-dns"] }] : []),
  { cni: "flannel", other: "netns", some: ["flat-network", "nodeport"] },
];
const missing = rigMissing ?? (ansibleMissing === "" ? undefined : `needs Ansible: ${ansibleMissing}`);

onRig(missing)("labs on machines over SSH, with a bundle and nothing else", () => {
  const cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 29 * minutes });
  let set: RigMachines;
  let before: Record<string, string[]>[];
  let onMachines: string[];

  beforeAll(async () => {
    set = startMachines(4);
    before = set.machines.map(({ container }) => machineFacts(container));
    const inventory = join(set.directory, "inventory.yaml");
    writeFileSync(inventory, inventoryOf(set.machines));
    const bundle = join(set.directory, "bundle");
    for (const { cni, some } of lanes) {
      const choice = ["--provider", "ssh", "--cni", cni, "--from", "docker"];
      const labs = isLong ? await labsOn(cni) : some;
      const made = await cnilab.run("bundle", "create", ...pathsOf(labs), ...choice, "--to", bundle);
      expect(made.exitCode, made.stderr).toBe(0);
    }
    onMachines = ["--inventory", inventory, "--bundle", bundle];
  });

  afterAll(async () => {
    await cnilab.remove();
    set.remove();
  });

  // A test that failed midway leaves the machines to those that follow.
  afterEach(async () => {
    if (labsIn(cnilab.stateHome).length > 0) await cnilab.run("down", "--all");
  });

  test.each(lanes)(
    "$cni: labs score 0 untouched and all points solved, as on $other, and the machines are given back as they were",
    { timeout: 30 * minutes },
    async ({ cni, other, some }) => {
      const all = await labsOn(cni);
      expect(all).toEqual(expect.arrayContaining(some));
      const labs = isLong ? all : some;
      const started = performance.now();
      const choice = ["--provider", `${other},ssh`, "--cni", cni, "--both", "-o", "json"];
      const compared = await cnilab.run("compare", ...pathsOf(labs), ...choice, ...onMachines);
      console.log(`${cni} on ${other} and ssh: ${((performance.now() - started) / 1000).toFixed(0)} s`);
      expect(compared.stdout, compared.stderr).not.toBe("");
      const comparison = JSON.parse(compared.stdout) as Comparison;
      expect({ wrong: wrongGrades(comparison), cells: differences(comparison) }).toEqual({ wrong: [], cells: [] });
      expect(gradedEverywhere(comparison)).toEqual(labs);
      expect(compared.exitCode, compared.stderr).toBe(0);
      await expectGivenBack();
    },
  );

  test("a run that is killed leaves machines that say whose they are, and `down` gives them back", async () => {
    const choice = ["--provider", "ssh", "--cni", "flannel", ...onMachines];
    const up = startOnTerminal(cnilab.stateHome, "up", "labs/flat-network", ...choice);
    await up.told("Make the control plane");
    process.kill(up.pid(), "SIGKILL");
    expect((await up.ended).exitCode).toBe(128 + 9);
    expect((await cnilab.run("status", "-o", "json")).stdout).toContain('"flat-network"');
    // The lab needs no host outside the cluster.
    const leases = set.machines.map((machine) => on(machine, "test ! -e /var/lib/cnilab || echo taken").trim());
    expect(leases).toEqual(["taken", "taken", "taken", ""]);

    const stranger = new Cnilab({ environment: rigEnvironment, timeoutMs: 2 * minutes });
    try {
      const refused = await stranger.run("up", "labs/flat-network", ...choice);
      expect(refused.exitCode).toBe(4);
      expect(refused.stderr).toMatch(/LEASE_HELD .*flat-network/);
    } finally {
      await stranger.remove();
    }

    const down = await cnilab.run("down", "flat-network");
    expect(down, down.stderr).toMatchObject({ exitCode: 0 });
    await expectGivenBack();
  });

  /** Every lab that claims machines with this CNI. */
  async function labsOn(cni: string): Promise<string[]> {
    const listed = JSON.parse((await cnilab.run("list", "-o", "json")).stdout) as ListedLab[];
    const isOurs = (run: ListedLab["runs"][number]): boolean =>
      run.provider === "ssh" && run.cni === cni && run.mode === "vxlan" && run.supported;
    return listed.filter(({ runs }) => runs.some(isOurs)).map(({ name }) => name);
  }

  async function expectGivenBack(): Promise<void> {
    // A shell of ours ends when its connection does, which is a moment after the command has its answer.
    const steps = (): string[] => set.machines.map((machine) => on(machine, "pgrep -f '[c]nilab_n=' || true"));
    await expect.poll(steps, { timeout: 15_000, interval: 200 }).toEqual(["", "", "", ""]);
    const changed = set.machines.map(({ container }, index) =>
      factsChanged(before[index] ?? {}, machineFacts(container)),
    );
    expect(changed).toEqual([[], [], [], []]);
    expect(labsIn(cnilab.stateHome)).toEqual([]);
    expect(processesWith(cnilab.stateHome)).toEqual([]);
  }
});

interface ListedLab {
  name: string;
  runs: { provider: string; cni: string; mode: string; supported: boolean }[];
}

const pathsOf = (labs: readonly string[]): string[] => labs.map((name) => `labs/${name}`);

function inventoryOf(machines: readonly RigMachine[]): string {
  const entries = machines.map(({ name, address, user, keyFile, knownHostsFile }, index) => {
    const reached = { address, user, key: keyFile, knownHosts: knownHostsFile, sshConfig: "/dev/null" };
    return [name, { ...reached, role: ["control-plane", "worker", "worker", "external"][index] }];
  });
  return stringify({ apiVersion: "cnilab.dev/v1alpha1", kind: "Inventory", machines: Object.fromEntries(entries) });
}
