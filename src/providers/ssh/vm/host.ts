import { freemem } from "node:os";
import { LabError } from "../../../core/errors.ts";
import { findProgram } from "../../../exec/find-program.ts";
import { runLocal } from "../../../exec/local.ts";
import type { PlannedVm } from "../../../plan/types.ts";
import type { Finding } from "../../types.ts";
import type { Accelerator } from "./arguments.ts";

const PACKAGES = "apt-get install qemu-system-x86 qemu-utils";
const HYPERVISOR = "qemu-system-x86_64";

/** QEMU's commands on this host. */
export interface Qemu {
  system: string;
  image: string;
}

/** Rejects with VM_NO_QEMU, VM_HOST. */
export async function findQemu(path: string | undefined): Promise<Qemu> {
  if (process.arch !== "x64") {
    throw new LabError("VM_HOST", `no virtual machines are made on ${process.arch}: only x86_64 is supported`);
  }
  const [system, image] = await Promise.all([findProgram(HYPERVISOR, path), findProgram("qemu-img", path)]);
  if (system !== undefined && image !== undefined) return { system, image };
  const lacking = [...(system === undefined ? [HYPERVISOR] : []), ...(image === undefined ? ["qemu-img"] : [])];
  throw new LabError("VM_NO_QEMU", `${lacking.join(" and ")} is not in PATH`, { hint: PACKAGES });
}

/** What this host lacks for these virtual machines; where none are asked for, whether it could make any. Changes nothing. */
export async function vmFindings(vms: readonly PlannedVm[] | undefined, path: string | undefined): Promise<Finding[]> {
  if (vms?.length === 0) return [];
  const findings: Finding[] = [];
  try {
    const { system } = await findQemu(path);
    findings.push({ code: "HOST_QEMU", ok: true, message: `virtual machines can be made: ${system}` });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const { code, message, hint } = error;
    if (vms === undefined) {
      findings.push({ code: "HOST_QEMU", ok: true, message: `no virtual machines can be made here: ${message}` });
    } else findings.push({ code, ok: false, message, ...(hint === undefined ? {} : { remedy: hint }) });
  }
  const wanted = (vms ?? []).reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  const free = freemem();
  if (wanted > free) {
    const message = `the virtual machines want ${mebibytes(wanted)} MiB of memory, and ${mebibytes(free)} MiB are free`;
    findings.push({ code: "VM_MEMORY", ok: false, message, remedy: "lower their memory:, or end what else uses it" });
  }
  return findings;
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

/** What SeaBIOS says when it has tried everything there is to boot from. */
const FIRMWARE_END = "No bootable device.";
/** Never asked for less: a process must start. */
const LEAST_MS = 1000;
const MOST_MS = 20_000;

/** How long the firmware takes from QEMU's start to its end; undefined where that takes more than `limitMs`. */
export type FirmwareRun = (accelerator: Accelerator, limitMs: number) => Promise<number | undefined>;

/**
 * KVM where it is worth having. That /dev/kvm opens says little: where this host is itself virtual, each of the machine's exits may
 * take so long that emulation is quicker, and an operating system never gets up. So a firmware is run both ways, and KVM may take no
 * longer than emulation, which it outruns where it works.
 */
export async function chooseAccelerator(run: FirmwareRun): Promise<{ accelerator: Accelerator; reason: string }> {
  const emulated = await run("tcg", MOST_MS);
  if (emulated === undefined) {
    return { accelerator: "tcg", reason: "its firmware does not tell how far it is, so that KVM cannot be measured" };
  }
  const limitMs = Math.ceil(Math.max(LEAST_MS, emulated));
  const native = await run("kvm", limitMs);
  if (native === undefined) {
    return { accelerator: "tcg", reason: `KVM does not run a firmware in ${limitMs} ms` };
  }
  return { accelerator: "kvm", reason: `KVM runs a firmware in ${Math.round(native)} ms` };
}

/** A machine with nothing in it, whose SeaBIOS tells us how far it is by its debugging port. */
export function runFirmware(program: string, signal: AbortSignal): FirmwareRun {
  return async (accelerator, limitMs) => {
    const args = [
      ["-machine", "q35", "-accel", accelerator, "-m", "64", "-nodefaults", "-no-user-config", "-display", "none"],
      ["-chardev", "stdio,id=debug,signal=off", "-device", "isa-debugcon,iobase=0x402,chardev=debug"],
    ].flat();
    const enough = new AbortController();
    const stop = AbortSignal.any([signal, enough.signal, AbortSignal.timeout(limitMs)]);
    const began = performance.now();
    let took: number | undefined;
    try {
      await runLocal(program, args, {
        signal: stop,
        onLine: (line) => {
          if (!line.includes(FIRMWARE_END)) return;
          took = performance.now() - began;
          enough.abort();
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      if (!stop.aborted) throw error;
    }
    return took;
  };
}
