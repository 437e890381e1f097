import type { Finding } from "../../types.ts";
import type { MeasuredMachine } from "./facts.ts";
import { named } from "./machine-findings.ts";
import { portsReachedBy, type PreflightNeeds } from "./needs.ts";

/** etcd warns of more between its members (etcd.io/docs, "clock difference"), and certificates are not valid before their time. */
const CLOCK_SKEW_MS = 1000;

/** What is wrong between machines, or with all of them together. */
export function pairFindings(machines: readonly MeasuredMachine[], needs: PreflightNeeds): Finding[] {
  return [
    ...duplicates(machines),
    ...clocks(machines),
    ...machines.flatMap((machine) => [
      ...packetFindings(machine, machines, needs),
      ...portFindings(machine, machines, needs),
    ]),
  ];
}

function duplicates(machines: readonly MeasuredMachine[]): Finding[] {
  const kinds = [
    {
      code: "MACHINE_NAME_TWICE",
      what: "host name",
      of: ({ facts, role }: MeasuredMachine) => (role === "external" ? [] : [facts.names?.host ?? ""]),
      remedy: "hostnamectl set-hostname NAME on all but one (as root)",
    },
    {
      code: "MACHINE_ID_TWICE",
      what: "machine-id",
      of: ({ facts }: MeasuredMachine) => [facts.machineId],
      remedy: "on all but one: rm /etc/machine-id && systemd-machine-id-setup, reboot (as root)",
    },
    {
      code: "MACHINE_MAC_TWICE",
      what: "MAC address",
      of: ({ facts }: MeasuredMachine) =>
        facts.interfaces.links.filter(({ isEthernet, isVirtual }) => isEthernet && !isVirtual).map(({ mac }) => mac),
      remedy: "give each machine's interface an address of its own; copies of a virtual machine need new ones",
    },
  ];
  return kinds.flatMap(({ code, what, of, remedy }) => {
    const holders = new Map<string, string[]>();
    for (const machine of machines) {
      for (const value of new Set(of(machine))) {
        if (value !== "") holders.set(value, [...(holders.get(value) ?? []), machine.name]);
      }
    }
    return [...holders].flatMap(([value, [first = "", ...rest]]) =>
      rest.length === 0
        ? []
        : [named(first, { code, message: `${what} ${value} is that of ${rest.join(", ")} too`, remedy })],
    );
  });
}

/** Only what is certain: the bounds leave room for the round trip. */
function clocks(machines: readonly MeasuredMachine[]): Finding[] {
  const remedy = "timedatectl set-ntp true, or set the clock (as root)";
  const code = "MACHINE_CLOCK";
  const findings: Finding[] = [];
  const told = new Set<string>();
  for (const { name, clock } of machines) {
    const [apart, direction] =
      clock.atLeastMs > 0 ? [clock.atLeastMs, "ahead of"] : clock.atMostMs < 0 ? [-clock.atMostMs, "behind"] : [0, ""];
    if (apart <= CLOCK_SKEW_MS) continue;
    told.add(name);
    findings.push(named(name, { code, message: `its clock is ${seconds(apart)} ${direction} this host's`, remedy }));
  }
  // Two that are each within bounds of ours may still be too far from each other.
  for (const [index, a] of machines.entries()) {
    for (const b of machines.slice(index + 1)) {
      const apart = Math.max(a.clock.atLeastMs - b.clock.atMostMs, b.clock.atLeastMs - a.clock.atMostMs);
      if (apart <= CLOCK_SKEW_MS || told.has(a.name) || told.has(b.name)) continue;
      findings.push(named(a.name, { code, message: `its clock is ${seconds(apart)} from that of ${b.name}`, remedy }));
    }
  }
  return findings;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function packetFindings(from: MeasuredMachine, machines: readonly MeasuredMachine[], needs: PreflightNeeds): Finding[] {
  const code = "MACHINE_MTU";
  return Object.entries(from.facts.packets ?? {}).flatMap(([address, { linkMtu, largest }]) => {
    const peer = machines.find((machine) => machine.address === address);
    const to = peer?.name ?? address;
    const isOutside = from.role === "external" || peer?.role === "external";
    const needed = isOutside ? needs.podBytes : needs.packetBytes;
    if (largest === null) {
      const message = `${to} does not answer its ICMP echo: whether packets get there whole is not known`;
      const remedy = `let ICMP through between machines; try it: ping -M do ${address}`;
      return [named(from.name, { code, message, remedy })];
    }
    const way = `packets of more than ${largest} bytes do not get to ${to}`;
    const mend = `set the same MTU on both machines and what is between them (ip link set DEV mtu N)`;
    if (largest < needed) {
      const remedy = `${mend}, or a smaller mtu in the lab's topology`;
      const message = `${way}, and ${isOutside ? "pods send" : `${needs.cni} sends`} up to ${needed}: connections would hang`;
      return [named(from.name, { code, message, remedy })];
    }
    if (largest >= linkMtu) return [];
    // Enough for the lab; what else the machine sends may be lost.
    return [named(from.name, { code, ok: true, message: `${way}, though its link has MTU ${linkMtu}`, remedy: mend })];
  });
}

const ARRIVES = new Set(["open", "ECONNREFUSED"]);

function portFindings(from: MeasuredMachine, machines: readonly MeasuredMachine[], needs: PreflightNeeds): Finding[] {
  return machines.flatMap((to) => {
    const needed = portsReachedBy(from.role, to.role, needs);
    const closed = (from.facts.ports ?? []).filter(({ peer, protocol, port, answer }) => {
      if (peer !== to.name || ARRIVES.has(answer)) return false;
      // A server of UDP need not answer what it does not understand; that the port is taken is told elsewhere.
      const isHeld = to.facts.listeners?.some((each) => each.protocol === protocol && each.port === port) === true;
      return needed.some((need) => need.protocol === protocol && need.port === port) && !(protocol === "udp" && isHeld);
    });
    if (closed.length === 0) return [];
    const list = closed.map(
      ({ protocol, port, answer }) => `${port}/${protocol} (${answer === "silent" ? "no answer" : answer})`,
    );
    return [
      named(from.name, {
        code: "MACHINE_UNREACHED",
        message: `cannot reach ${to.name} (${to.address}) on ${list.join(", ")}`,
        remedy: "open these ports between the machines; iptables-save and nft list ruleset show what drops them",
      }),
    ];
  });
}
