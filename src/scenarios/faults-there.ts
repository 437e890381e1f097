import { formatDurationMs } from "../core/duration.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import { faultKey, isApiFault, type Fault, type FaultPlace } from "../providers/fault.ts";

/** `link eth0 of node worker1 down for 30s`, as messages and progress name a fault. */
export function describeFault(fault: FaultPlace | Fault): string {
  const lasting = "durationMs" in fault && fault.durationMs !== undefined;
  return `${describePlace(fault)}${lasting ? ` for ${formatDurationMs(fault.durationMs as number)}` : ""}`;
}

function describePlace(fault: FaultPlace | Fault): string {
  switch (fault.kind) {
    case "pause":
      return `pause of node ${fault.node}`;
    case "linkDown":
      return `link ${fault.interface} of node ${fault.node} down`;
    case "nodeDown":
      return `node ${fault.node} down`;
    case "killCniAgent":
      return `CNI agent of node ${fault.node} killed`;
    case "restart":
      return `restart of node ${fault.node}`;
    case "partition":
      return `partition of ${fault.groups.map((group) => group.join(", ")).join(" from ")}`;
    case "podKill":
      return `${"count" in fault && fault.count > 1 ? `${fault.count} pods` : "pod"} of ${formatEndpointRef(fault.target)} killed`;
    case "rolloutRestart":
      return `rollout restart of ${formatEndpointRef(fault.target)}`;
    case "mtu":
      return `MTU of link ${fault.interface} of node ${fault.node}${"bytes" in fault ? ` ${fault.bytes}` : ""}`;
    case "loss":
      return `loss on link ${fault.interface} of node ${fault.node}${"percent" in fault ? `, ${fault.percent} %` : ""}`;
    case "rateLimit":
      return `rate limit on link ${fault.interface} of node ${fault.node}${"bitsPerSecond" in fault ? `, ${fault.bitsPerSecond} bit/s` : ""}`;
    case "delay":
      return `delay on link ${fault.interface} of node ${fault.node}${"delayMs" in fault ? `, ${fault.delayMs} ms` : ""}`;
    case "kubeProxyStopped":
      return `kube-proxy of node ${fault.node} stopped`;
    case "policyAgentStopped":
      return `policy agent of node ${fault.node} stopped`;
    case "dnsStopped":
      return "cluster DNS stopped";
    case "cniMissing":
      return `CNI of node ${fault.node} missing`;
    case "duplicateAddress":
      return `address of link ${fault.interface} of node ${fault.node} taken by another host`;
    case "conntrackFull":
      return `conntrack table of node ${fault.node} full`;
  }
}

/** Whether a restore takes this fault back: the same fault at the same place. */
export function isSameFault(one: FaultPlace, other: FaultPlace): boolean {
  return faultKey(one) === faultKey(other);
}

/** The node that a fault is about, where it is about one. */
export function nodeOf(fault: FaultPlace): string | undefined {
  return "node" in fault ? fault.node : undefined;
}

/**
 * The faults that are still there after some steps: what `fault` steps left that no `restore` took back. A restart mends
 * what its node has. One with a name is not there: its probes make it, and take it back.
 */
export function faultsAfter(steps: readonly { kind: string; options: unknown }[]): Fault[] {
  return steps.reduce<Fault[]>((faults, { kind, options }) => {
    if (kind === "restore") return faults.filter((each) => !isSameFault(each, options as FaultPlace));
    if (kind !== "fault") return faults;
    const fault = options as Fault;
    if (fault.name !== undefined) return faults;
    if (fault.kind === "restart") return faults.filter((each) => nodeOf(each) !== fault.node);
    return fault.kind === "killCniAgent" || isApiFault(fault) ? faults : [...faults, fault];
  }, []);
}
