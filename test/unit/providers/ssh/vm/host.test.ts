import { expect, test } from "vitest";
import { chooseAccelerator, findQemu, vmFindings, type FirmwareRun } from "../../../../../src/providers/ssh/vm/host.ts";

/** A host where the firmware takes that long; undefined: for ever, or not at all. */
function host(times: { tcg: number | undefined; kvm: number | undefined }): { run: FirmwareRun; limits: number[] } {
  const limits: number[] = [];
  const run: FirmwareRun = (accelerator, limitMs) => {
    limits.push(limitMs);
    const took = times[accelerator];
    return Promise.resolve(took !== undefined && took <= limitMs ? took : undefined);
  };
  return { run, limits };
}

test.each([
  ["KVM that outruns emulation", { tcg: 400, kvm: 90 }, "kvm"],
  ["KVM on a busy host", { tcg: 3000, kvm: 2500 }, "kvm"],
  ["KVM where a process takes its time to start", { tcg: 300, kvm: 900 }, "kvm"],
  ["KVM that every exit holds up", { tcg: 400, kvm: 6000 }, "tcg"],
  ["such a KVM on a busy host", { tcg: 2800, kvm: 8500 }, "tcg"],
  ["KVM that hangs, or is not there", { tcg: 400, kvm: undefined }, "tcg"],
  ["a firmware that says nothing", { tcg: undefined, kvm: undefined }, "tcg"],
] as const)("with %s the choice is by what was measured", async (_what, times, expected) => {
  const { run, limits } = host(times);
  const { accelerator, reason } = await chooseAccelerator(run);
  expect(accelerator).toBe(expected);
  expect(reason).toMatch(/firmware/);
  // Nothing is waited for without end.
  expect(limits.every((limit) => Number.isInteger(limit) && limit <= 20_000)).toBe(true);
});

const vm = { image: "/x", cpus: 2, memoryBytes: 2 ** 20, diskBytes: 2 ** 30, internet: true };

test("a host without QEMU is told what to install, where virtual machines are asked for", async () => {
  await expect(findQemu("/nonexistent")).rejects.toMatchObject({
    code: "VM_NO_QEMU",
    message: "qemu-system-x86_64 and qemu-img is not in PATH",
    hint: "apt-get install qemu-system-x86 qemu-utils",
  });
  expect(await vmFindings([vm], "/nonexistent")).toMatchObject([{ code: "VM_NO_QEMU", ok: false }]);
  expect(await vmFindings(undefined, "/nonexistent")).toMatchObject([{ code: "HOST_QEMU", ok: true }]);
  expect(await vmFindings([], "/nonexistent")).toEqual([]);
});

test("virtual machines that want more memory than is free are refused before anything is made", async () => {
  const findings = await vmFindings([{ ...vm, memoryBytes: 2 ** 50 }], "/nonexistent");
  expect(findings).toContainEqual(expect.objectContaining({ code: "VM_MEMORY", ok: false }));
});
