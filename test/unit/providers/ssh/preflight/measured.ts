import {
  machineFacts,
  type MachineFacts,
  type MeasuredMachine,
} from "../../../../../src/providers/ssh/preflight/facts.ts";
import type { PreflightNeeds } from "../../../../../src/providers/ssh/preflight/needs.ts";

/** A machine that lacks nothing. */
export function facts(others: Partial<MachineFacts> = {}, number = 1): MachineFacts {
  return machineFacts.parse({
    problems: [],
    python: [3, 11, 2],
    isRoot: true,
    system: { id: "debian", like: [], name: "Debian GNU/Linux 12 (bookworm)", version: "12" },
    kernelRelease: "6.1.0",
    architecture: "x86_64",
    hasSystemd: true,
    cpus: 2,
    memoryMb: 4000,
    disks: [
      { path: "/", freeMb: 9000, freeInodes: 1_000_000, device: 1 },
      { path: "/var/lib", freeMb: 9000, freeInodes: 1_000_000, device: 1 },
    ],
    cgroup: { version: 2, controllers: ["cpuset", "cpu", "io", "memory", "pids"] },
    swaps: [],
    listeners: [{ protocol: "tcp", address: "0.0.0.0", port: 22, holder: "sshd (pid 80)" }],
    modules: { overlay: "loaded", br_netfilter: "loadable" },
    kernel: [{ argv: ["test", "-d", "/sys/module/vxlan"], exitCode: 0, stderr: "" }],
    interfaces: {
      problem: null,
      links: [
        {
          name: "eth0",
          mac: `02:00:00:00:00:0${number}`,
          mtu: 1500,
          up: true,
          isEthernet: true,
          isVirtual: false,
          addresses: [`192.0.2.${number}`],
        },
      ],
    },
    names: { host: `machine-${number}`, addresses: ["127.0.1.1"] },
    machineId: `${number}`.repeat(32),
    firewalls: [],
    cluster: { known: [], strange: [] },
    containers: [],
    packets: {},
    ports: [],
    start: 1000,
    end: 1001,
    ...others,
  });
}

export function measured(
  others: Partial<MachineFacts> = {},
  { number = 1, ...rest }: Partial<Omit<MeasuredMachine, "facts">> & { number?: number } = {},
): MeasuredMachine {
  return {
    name: `machine-${number}`,
    role: number === 1 ? "control-plane" : "worker",
    address: `192.0.2.${number}`,
    facts: facts(others, number),
    clock: { atLeastMs: -20, atMostMs: 20 },
    ...rest,
  };
}

export const needs: PreflightNeeds = {
  cni: "calico in mode vxlan",
  cniPage: "docs/cnis/calico.md",
  kernel: ["vxlan"],
  shapers: [],
  ports: [{ protocol: "udp", port: 4789, what: "VXLAN" }],
  packetBytes: 1500,
  podBytes: 1450,
  kubernetes: [1, 34],
};
