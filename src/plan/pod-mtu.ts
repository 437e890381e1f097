import type { Cni, CniMode } from "../cnis/types.ts";
import { LabError } from "../core/errors.ts";
import type { Lab } from "../lab/types.ts";
import type { PlannedTopology } from "./types.ts";

/** RFC 8200, section 5: what every link must carry; Linux takes IPv6 away from one that does not. */
const LEAST_FOR_IPV6 = 1280;

/** Bytes that a pod's interface has: what the lab says of its own CNI, or what the CNI would compute of the nodes' links. */
export function podMtu(lab: Lab, cni: Cni, mode: CniMode): number {
  const written = cni.name === lab.cni.name ? lab.cni.mtu : undefined;
  return written ?? smallestMtu(lab.topology) - overheadBytes(lab, mode);
}

/** Links, pods and faults of a dual-stack lab that are too small for IPv6; none of another lab. */
export function tooSmallForIpv6(lab: Lab, cni: Cni, mode: CniMode): LabError[] {
  if (lab.ipFamily !== "dual") return [];
  const found: LabError[] = [];
  const refuse = (what: string, mtu: number, hint: string, span = lab.cni.span): void => {
    if (mtu >= LEAST_FOR_IPV6) return;
    const message = `${what} ${mtu}, and IPv6 needs ${LEAST_FOR_IPV6}`;
    found.push(new LabError("PLAN_MTU_BELOW_IPV6", message, { hint, span }));
  };
  const other = "take a larger MTU, or leave cluster.ipFamily out";
  for (const { name, interfaces } of lab.topology.nodes)
    for (const { network, mtu } of interfaces) refuse(`the link of ${name} to ${network} has MTU`, mtu, other);
  if (found.length === 0)
    refuse(
      `with ${cni.name} in mode ${mode.name} pods have MTU`,
      podMtu(lab, cni, mode),
      "set cni.mtu, or larger links",
    );
  for (const { kind, options, span } of lab.scenario) {
    const fault = kind === "fault" ? (options as { kind: string; bytes?: number }) : undefined;
    if (fault?.kind === "mtu" && fault.bytes !== undefined)
      refuse("a fault makes a link's MTU", fault.bytes, other, span ?? lab.cni.span);
  }
  return found;
}

/** IPv6 inside IPv6 takes more than IPv4 in IPv4, and pods have one MTU for both. */
function overheadBytes({ ipFamily }: Lab, { overheadBytes: ipv4, dualStack }: CniMode): number {
  return ipFamily === "dual" && "overheadBytes" in dualStack ? dualStack.overheadBytes : ipv4;
}

/** The MTU that every path between two nodes can carry, which is what CNIs detect on their node interfaces. */
function smallestMtu(topology: PlannedTopology): number {
  return Math.min(...topology.nodes.flatMap(({ interfaces }) => interfaces.map(({ mtu }) => mtu)));
}
