import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Remote } from "../../src/exec/ssh/types.ts";
import type { PlannedMachine } from "../../src/plan/types.ts";
import {
  checkGivenBack,
  leaveFootprint,
  readLeftFootprint,
  takeFootprint,
} from "../../src/providers/ssh/footprint/footprint.ts";
import { cutLink, mendLink, shapeLink } from "../../src/providers/ssh/link-fault.ts";
import { acquireLeases, newLeaseOwner, readLease, releaseLeases } from "../../src/providers/ssh/lease.ts";
import { closeMachines, openMachines, type Remotes } from "../../src/providers/ssh/machines.ts";
import { readNetwork } from "../../src/providers/ssh/networks.ts";
import { preflightMachines } from "../../src/providers/ssh/preflight/preflight.ts";
import { rebootMachine } from "../../src/providers/ssh/reboot.ts";
import { endVms } from "../../src/providers/ssh/vm/end.ts";
import { processesOf } from "../../src/providers/ssh/vm/processes.ts";
import { readVmState } from "../../src/providers/ssh/vm/state.ts";
import { withVms } from "../../src/providers/ssh/vm/with-vms.ts";
import { onRig } from "./rig.ts";
import { vmImage, vmMissing } from "./vm-image.ts";
import { vmPlan } from "./vm-plan.ts";

let stateDirectory: string;
let reached: PlannedMachine;
let remotes: Remotes;
let machine: { name: string; remote: Remote };

async function timed<T>(what: string, work: Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work;
  console.log(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return result;
}

// With a kernel of its own, emulated where there is no KVM: minutes on a busy host.
const isLong = process.env["CNILAB_LONG_LANES"] === undefined ? "too long for CI: npm run test:machines" : undefined;

onRig(vmMissing() ?? isLong)("a virtual machine", () => {
  beforeAll(async () => {
    stateDirectory = mkdtempSync(join(tmpdir(), "cnilab-vm-"));
    const plan = vmPlan({ ...vmImage(), memoryBytes: 2 * 2 ** 30, diskBytes: 8 * 2 ** 30 }, 1);
    const signal = new AbortController().signal;
    const progress = (message: string): void => console.log(message);
    const made = await timed("made and set up", withVms(plan, { stateDirectory, signal, progress }));
    reached = made.machines?.[0] as PlannedMachine;
    remotes = await openMachines([reached]);
    machine = { name: "vm1", remote: remotes.get("vm1") as Remote };
  }, 900_000);
  afterAll(async () => {
    await closeMachines(remotes ?? new Map());
    await endVms(stateDirectory);
    rmSync(stateDirectory, { recursive: true, force: true });
  });

  it("is what its seed says, with the lab's address on the lab's interface", { timeout: 300_000 }, async () => {
    expect((await machine.remote.must("hostname; id -un; ls /etc/ssh/*_key")).split("\n").filter(Boolean)).toEqual([
      "vm1",
      "lab",
      "/etc/ssh/ssh_host_ed25519_key",
    ]);
    expect(await readNetwork(reached, machine.remote)).toMatchObject({
      address: "10.89.0.2",
      interface: "eth0",
      prefixLength: 24,
      home: "/home/lab",
    });
    expect((await machine.remote.must("ip -4 route show default")).trim()).toBe("");
    // A kernel of its own, and the disk that was asked for rather than the image's.
    expect((await machine.remote.must("uname -r")).trim()).not.toBe(release());
    expect(Number(await machine.remote.must("df --output=size -B 1M / | tail -n 1"))).toBeGreaterThan(7000);
  });

  it("is measured, taken, restarted, found again and given back as it was", { timeout: 1_200_000 }, async () => {
    const findings = await timed(
      "preflight",
      preflightMachines([{ ...machine, role: "worker", address: "10.89.0.2" }], {
        cni: "flannel in mode vxlan",
        cniPage: "docs/cnis/flannel.md",
        kernel: ["vxlan"],
        shapers: ["netem", "tbf"],
        ports: [{ protocol: "udp", port: 8472, what: "VXLAN" }],
        packetBytes: 1500,
        podBytes: 1450,
        kubernetes: [1, 34],
      }),
    );
    expect(findings.filter(({ ok }) => !ok)).toEqual([]);
    const owner = newLeaseOwner("virtual", stateDirectory);
    await timed("lease", acquireLeases([machine], owner, { phase: "install" }));
    const before = await timed("footprint", takeFootprint(machine, { home: "/home/lab" }));
    await leaveFootprint(machine.remote, before);
    await machine.remote.must("echo planted > /etc/planted.conf", [], { sudo: true });

    await timed("restart", rebootMachine(machine, { timeoutMs: 600_000 }));
    // It answers before it has started all that ran before; "degraded" has an exit code of its own.
    await timed("started", machine.remote.run(["systemctl", "is-system-running", "--wait"], { timeoutMs: 400_000 }));
    expect(await readLease(machine)).toMatchObject({ kind: "held", lease: { lab: "virtual", token: owner.token } });
    expect(await readLeftFootprint(machine.remote)).toEqual(before);
    await expect(checkGivenBack(machine, before, { home: "/home/lab" })).rejects.toMatchObject({
      code: "MACHINE_UNCLEAN",
      message: expect.stringContaining("file /etc/planted.conf is new") as unknown,
    });
    await machine.remote.must("rm /etc/planted.conf", [], { sudo: true });
    await timed("compared", checkGivenBack(machine, before, { home: "/home/lab" }));
    await releaseLeases([machine], owner);
    expect(await readLease(machine)).toEqual({ kind: "free" });
  });

  it(
    "delays and loses what leaves by a link, as its kernel has netem, and ends that",
    { timeout: 300_000 },
    async () => {
      const before = await takeFootprint(machine, { home: "/home/lab" });
      const delayMs = 600;
      // What an emulated machine takes by itself is less, and comes on top.
      const quickest = async (): Promise<number> => {
        const times: number[] = [];
        for (let run = 0; run < 5; run++) {
          const began = performance.now();
          await machine.remote.must("true");
          times.push(performance.now() - began);
        }
        return Math.min(...times);
      };
      expect(await quickest()).toBeLessThan(delayMs);
      const shaped = await shapeLink(machine, "mgmt0", { delayMs }, { durationMs: 200_000 });
      expect(shaped.isOurWay).toBe(true);
      expect(await quickest()).toBeGreaterThan(delayMs);
      await expect(shapeLink(machine, "mgmt0", { loss: 0.1 })).rejects.toMatchObject({ code: "FAULT_NOT_POSSIBLE" });
      await expect(cutLink(machine, "mgmt0", { durationMs: 5000 })).rejects.toMatchObject({
        code: "FAULT_NOT_POSSIBLE",
      });
      expect(await mendLink(machine, "mgmt0")).toBe(true);
      expect(await quickest()).toBeLessThan(delayMs);

      await shapeLink(machine, "eth0", { loss: 0.25 });
      expect(await machine.remote.must("tc qdisc show dev eth0", [], { sudo: true })).toMatch(/netem .*loss 25%/);
      expect(await mendLink(machine, "eth0")).toBe(true);
      await checkGivenBack(machine, before, { home: "/home/lab" });
    },
  );

  it("ends with the lab, with all that was made of it", async () => {
    const ids = readVmState(stateDirectory)?.processes.map(({ uuid }) => uuid) ?? [];
    expect(processesOf(ids)).toHaveLength(1);
    await timed("ended", endVms(stateDirectory));
    expect(processesOf(ids)).toEqual([]);
    expect(existsSync(join(stateDirectory, "vms"))).toBe(false);
    const refused = new Promise((resolve) => {
      createConnection(reached.port ?? 0, "127.0.0.1").on("error", resolve);
    });
    expect(await refused).toMatchObject({ code: "ECONNREFUSED" });
  });
});
