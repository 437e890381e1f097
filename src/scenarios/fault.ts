import { LabError } from "../core/errors.ts";
import type { EndpointRef, PlannedTopology } from "../plan/types.ts";
import { isApiFault, type Fault } from "../providers/fault.ts";
import { makeApiFault } from "./api-fault.ts";
import { faultField } from "./fault-field.ts";
import { describeFault, faultsAfter, isSameFault, nodeOf } from "./faults-there.ts";
import { defineScenario } from "./types.ts";

interface Problem {
  code: string;
  message: string;
  hint: string;
}

/** Breaks something; docs/scenarios/fault.md. */
export const fault = defineScenario<Fault>({
  kind: "fault",
  summary:
    "breaks a node, a link, the way between nodes, pods, kube-proxy or cluster DNS, or replaces a workload's pods",
  options: faultField("fault"),
  manifests: () => [],
  references: faultReferences,
  leavesNothing: isApiFault,
  check: (options, { topology, earlier }) => {
    const there = faultsAfter(earlier);
    return inTheWay(options, there) ?? noInterface(options, topology);
  },
  // No settling here: what is broken may never settle, and the probes that follow are to see just that.
  run: async (options, _objects, { cluster, progress, signal }) => {
    if (options.name !== undefined) {
      progress(`${options.name}: ${describeFault(options)}, when its probes run`);
      return;
    }
    if (isApiFault(options)) {
      progress(await makeApiFault(options, cluster, signal));
      return;
    }
    if (cluster.fault === undefined) {
      throw new LabError("SCENARIO_NO_FAULTS", "this provider cannot break nodes", {
        hint: "cnilab list -o json says where a lab runs",
      });
    }
    await cluster.fault(options);
    signal.throwIfAborted();
    progress(describeFault(options));
  },
});

/** What a fault names of the lab. */
export function faultReferences(options: Parameters<typeof nodeOf>[0]): EndpointRef[] {
  if (options.kind === "podKill" || options.kind === "rolloutRestart") return [options.target];
  const nodes = options.kind === "partition" ? options.groups.flat() : [nodeOf(options) ?? []].flat();
  return nodes.map((name) => ({ kind: "node", name }));
}

/** Of the faults that are there already. */
function inTheWay(options: Fault, there: readonly Fault[]): Problem | undefined {
  if (there.some((each) => isSameFault(each, options))) {
    return {
      code: "LAB_FAULT_TWICE",
      message: `an earlier step made this fault already: ${describeFault(options)}`,
      hint: "restore it first, or leave this step out",
    };
  }
  const node = nodeOf(options);
  const paused = node === undefined ? undefined : there.find((each) => each.kind === "pause" && each.node === node);
  if (paused !== undefined && options.kind !== "restart") {
    return {
      code: "LAB_FAULT_TWICE",
      message: `node ${node} is paused by an earlier step: nothing can be changed on it`,
      hint: "restore it first",
    };
  }
  const other = there.find((each) => cannotStandBeside(each, options));
  if (other === undefined) return undefined;
  return {
    code: "LAB_FAULT_TWICE",
    message: `${describeFault(options)} cannot stand beside an earlier step's: ${describeFault(other)}`,
    hint: "restore that one first",
  };
}

/** Nodes have one side at a time, a link has one queueing discipline, and a node that is down has nothing left to break. */
function cannotStandBeside(one: Fault, other: Fault): boolean {
  if (one.kind === "nodeDown" || other.kind === "nodeDown") return nodeOf(one) === nodeOf(other);
  if (one.kind === "partition") return other.kind === "partition";
  const queues = [one, other].flatMap((each) => (each.kind === "rateLimit" || each.kind === "delay" ? [each] : []));
  const [first, second] = queues;
  return second !== undefined && first?.node === second.node && first.interface === second.interface;
}

function noInterface(options: Fault, topology: PlannedTopology | undefined): Problem | undefined {
  if (!("interface" in options)) return undefined;
  const interfaces = topology?.nodes.find(({ name }) => name === options.node)?.interfaces.map(({ name }) => name);
  if (interfaces === undefined || interfaces.includes(options.interface)) return undefined;
  return {
    code: "LAB_FAULT_INTERFACE",
    message: `node ${options.node} has no interface ${options.interface}`,
    hint: `it has: ${interfaces.join(", ")}`,
  };
}
