import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { newLeaseOwner } from "../../src/providers/ssh/lease.ts";
import { ssh } from "../../src/providers/ssh/provider.ts";
import { writeSshState } from "../../src/providers/ssh/state.ts";
import { switchArguments } from "../../src/providers/ssh/vm/arguments.ts";
import { endVms, endedVmNodes, vmNodes } from "../../src/providers/ssh/vm/end.ts";
import { makeVms, type MakeVmsOptions } from "../../src/providers/ssh/vm/make.ts";
import { endProcesses, processesOf, startProcess } from "../../src/providers/ssh/vm/processes.ts";
import { readVmState } from "../../src/providers/ssh/vm/state.ts";
import { onRig } from "./rig.ts";
import { vmPlan } from "./vm-plan.ts";
import { vmMissing } from "./vm-image.ts";

/** A lab's state directory, with a name longer than a socket's may be. */
let stateDirectory: string;
let options: MakeVmsOptions;
let image: string;

beforeEach(() => {
  const base = mkdtempSync(join(tmpdir(), "cnilab-vm-"));
  stateDirectory = join(base, "a-lab-whose-name-is-rather-long".repeat(4));
  mkdirSync(stateDirectory);
  image = join(base, 'an image, with "quotes" and = signs.qcow2');
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", image, "16M"]);
  options = { stateDirectory, signal: new AbortController().signal, progress: () => undefined };
});
afterEach(async () => {
  await endVms(stateDirectory);
  rmSync(join(stateDirectory, ".."), { recursive: true, force: true });
});

function uuids(): string[] {
  return readVmState(stateDirectory)?.processes.map(({ uuid }) => uuid) ?? [];
}

// None of these has anything to boot: what is looked at is this host.
onRig(vmMissing())("processes of virtual machines", () => {
  it("run beside us with a port each, and end with the lab, which then has nothing of them", async () => {
    const { machines } = await makeVms(vmPlan({ image }, 2), options);
    const ports = machines.map(({ port }) => port);
    expect(new Set(ports).size).toBe(2);
    expect(machines.map(({ nodeAddress }) => nodeAddress)).toEqual(["10.89.0.2", "10.89.0.3"]);
    // Two machines and their network's switch.
    expect(processesOf(uuids())).toHaveLength(3);
    expect([...vmNodes(stateDirectory)]).toEqual(["vm1", "vm2"]);
    expect([...endedVmNodes(stateDirectory)]).toEqual([]);
    const known = readFileSync(machines[0]?.knownHostsFile ?? "", "utf8");
    expect(known).toMatch(new RegExp(`^\\[127\\.0\\.0\\.1\\]:${ports[0]} ssh-ed25519 \\S+\n$`));

    const [first = ""] = uuids();
    const all = uuids();
    await endProcesses([first]);
    expect([...endedVmNodes(stateDirectory)]).toEqual(["vm1"]);
    await endVms(stateDirectory);
    await endVms(stateDirectory);
    expect(processesOf(all)).toEqual([]);
    expect(existsSync(join(stateDirectory, "vms"))).toBe(false);
    expect(readVmState(stateDirectory)).toBeUndefined();
  });

  it("that ended by themselves leave a lab that is not up, and that down removes without asking them", async () => {
    const { machines } = await makeVms(vmPlan({ image }, 2), options);
    const owner = newLeaseOwner("virtual", stateDirectory);
    const taken = machines.map((machine) => ({ ...machine, role: "worker" as const }));
    await writeSshState(stateDirectory, { lab: "virtual", owner, stage: "up", machines: taken });
    await endProcesses(uuids());
    expect(await ssh.isUp(undefined, stateDirectory)).toBe(false);
    await ssh.down(undefined, stateDirectory);
    expect(readdirSync(stateDirectory)).toEqual([]);
    await ssh.down(undefined, stateDirectory);
  });

  it("are found by whoever comes after one that was killed, at whatever moment", { timeout: 300_000 }, async () => {
    const program = fileURLToPath(new URL("vm-maker.ts", import.meta.url));
    for (const running of [0, 1, 2, 3]) {
      const request = JSON.stringify({ image, stateDirectory });
      const child = spawn(process.execPath, ["--import", "tsx", program, request], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      const closed = once(child, "close");
      const isThere = (): boolean =>
        readVmState(stateDirectory) !== undefined && processesOf(uuids()).length >= running;
      await expect.poll(isThere, { timeout: 60_000, interval: 5 }).toBe(true);
      child.kill("SIGKILL");
      await closed;
      const all = uuids();
      expect(processesOf(all).length).toBeGreaterThanOrEqual(running);
      await ssh.down(undefined, stateDirectory);
      expect(processesOf(all)).toEqual([]);
      expect(existsSync(join(stateDirectory, "vms"))).toBe(false);
    }
  });

  it("are told apart from an image that leads to other files of this host", async () => {
    const secret = join(stateDirectory, "secret");
    execFileSync("qemu-img", ["create", "-q", "-f", "raw", secret, "1M"]);
    const leading = join(stateDirectory, "leading.qcow2");
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, leading]);
    await expect(makeVms(vmPlan({ image: leading }, 1), options)).rejects.toMatchObject({ code: "VM_IMAGE" });
    await endVms(stateDirectory);
    await expect(makeVms(vmPlan({ image: "/nonexistent" }, 1), options)).rejects.toMatchObject({
      code: "VM_IMAGE",
      message: expect.stringContaining("/nonexistent") as unknown,
    });
    await endVms(stateDirectory);
    const small = vmPlan({ image, diskBytes: 2 ** 20 }, 1);
    await expect(makeVms(small, options)).rejects.toMatchObject({ code: "VM_DISK" });
  });

  it("say why where they do not start", async () => {
    const missing = vmPlan({ image, kernel: "/nonexistent/vmlinuz" }, 1);
    await expect(makeVms(missing, options)).rejects.toMatchObject({
      code: "VM_NOT_STARTED",
      message: expect.stringContaining("/nonexistent/vmlinuz") as unknown,
    });
  });

  it("that are a switch take frames from each port to all others", async () => {
    const uuid = "00000000-0000-4000-8000-0000c0ffee01";
    const what = "the switch";
    await startProcess("qemu-system-x86_64", switchArguments(uuid, 3), {
      folder: stateDirectory,
      what,
      signal: options.signal,
    });
    try {
      const sockets = await Promise.all([0, 1, 2].map((port) => plug(port)));
      const frame = Buffer.concat([Buffer.from("ffffffffffff525400000001", "hex"), Buffer.alloc(60, 7)]);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      const others = sockets.slice(1).map((socket) => once(socket, "data"));
      sockets[0]?.write(Buffer.concat([length, frame]));
      for (const [data] of await Promise.all(others)) expect(data).toEqual(Buffer.concat([length, frame]));
      for (const socket of sockets) socket.destroy();
    } finally {
      await endProcesses([uuid]);
    }
  });
});

async function plug(port: number): Promise<Socket> {
  const before = process.cwd();
  // As QEMU does: the path from the folder is short enough.
  process.chdir(stateDirectory);
  try {
    const socket = createConnection(`port${port}.sock`);
    await once(socket, "connect");
    return socket;
  } finally {
    process.chdir(before);
  }
}
