import type { PlannedVm } from "../../../plan/types.ts";
import { QMP_SOCKET } from "./qmp.ts";

/** How a virtual machine's instructions are run: by the host's processor, or emulated one by one. */
export type Accelerator = "kvm" | "tcg";

/** Files in a virtual machine's folder, which is its process's working directory: no path of the host is part of an option. */
export const VM_FILES = { disk: "disk.qcow2", seed: "seed.iso", console: "console.log", log: "qemu.log" } as const;

/** Where QEMU's user-mode network has the machine, and where it answers on the host: a free port of loopback (`info usernet` says which). */
const SSH_FORWARD = "hostfwd=tcp:127.0.0.1:0-10.0.2.15:22";

/** What both sorts of process have. A process is ours where its arguments have the id that we have written down. */
function common(uuid: string): string[] {
  return [
    ["-uuid", uuid, "-nodefaults", "-no-user-config", "-display", "none"],
    ["-chardev", `socket,id=qmp,path=${QMP_SOCKET},server=on,wait=off`, "-mon", "chardev=qmp,mode=control"],
    // It starts nothing and becomes nobody else, whatever is done to it from inside.
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
  ].flat();
}

export interface VmArguments {
  vm: Pick<PlannedVm, "kernel" | "initrd" | "append" | "cpus" | "memoryBytes" | "internet">;
  uuid: string;
  accelerator: Accelerator;
  managementMac: string;
  /** Each with the socket of its switch's port, from the machine's folder; undefined where it is alone in its network. */
  interfaces: readonly { mac: string; socket: string | undefined }[];
}

/** QEMU's arguments for a virtual machine. The first interface is the one that we come by, the others are the lab's, in order. */
export function vmArguments({ vm, uuid, accelerator, managementMac, interfaces }: VmArguments): string[] {
  const { kernel, initrd, append, cpus, memoryBytes, internet } = vm;
  // A disk that goes with its process need not outlive a power cut: flushes are most of what etcd and dpkg wait for.
  const cache = { "no-flush": true };
  const disk = {
    driver: "qcow2",
    "node-name": "disk",
    discard: "unmap",
    cache,
    file: { ...file(VM_FILES.disk), cache },
  };
  const seed = { driver: "raw", "node-name": "seed", "read-only": true, file: file(VM_FILES.seed) };
  const cards = interfaces.flatMap(({ mac, socket }, index) => [
    "-netdev",
    socket === undefined
      ? `hubport,id=lab${index},hubid=${index}`
      : `stream,id=lab${index},addr.type=unix,addr.path=${socket}`,
    "-device",
    `virtio-net-pci,netdev=lab${index},mac=${mac},romfile=`,
  ]);
  return [
    common(uuid),
    ["-machine", "q35", "-accel", accelerator === "tcg" ? "tcg,thread=multi" : "kvm"],
    ["-cpu", accelerator === "tcg" ? "max" : "host", "-smp", String(cpus), "-m", `${memoryBytes / 2 ** 20}M`],
    kernel === undefined ? [] : ["-kernel", kernel],
    initrd === undefined ? [] : ["-initrd", initrd],
    append === undefined ? [] : ["-append", append],
    ["-serial", `file:${VM_FILES.console}`],
    ["-device", "virtio-rng-pci"],
    ["-blockdev", JSON.stringify(disk), "-device", "virtio-blk-pci,drive=disk,bootindex=1"],
    ["-blockdev", JSON.stringify(seed), "-device", "virtio-blk-pci,drive=seed"],
    ["-netdev", `user,id=management,ipv6=off,restrict=${internet ? "off" : "on"},${SSH_FORWARD}`],
    ["-device", `virtio-net-pci,netdev=management,mac=${managementMac},romfile=`],
    cards,
  ].flat();
}

function file(filename: string): object {
  return { driver: "file", filename };
}

/** The socket of a switch's port, in the switch's folder. */
export function portSocket(index: number): string {
  return `port${index}.sock`;
}

/**
 * QEMU's arguments for a switch: a process without a machine, in whose hub each port is a socket that a virtual machine connects to.
 * Nothing of it is seen by the host's own network.
 */
export function switchArguments(uuid: string, ports: number): string[] {
  const indexes = Array.from({ length: ports }, (_, index) => index);
  const sockets = indexes.flatMap((index) => [
    "-netdev",
    `stream,id=port${index},server=on,addr.type=unix,addr.path=${portSocket(index)}`,
    "-netdev",
    `hubport,id=hub${index},hubid=0,netdev=port${index}`,
  ]);
  return [...common(uuid), "-machine", "none", ...sockets];
}
