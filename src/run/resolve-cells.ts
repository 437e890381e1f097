import type { Cell, Expectation } from "../grade/types.ts";
import type { PlannedCni, PlannedProbe } from "../plan/types.ts";
import type { OracleWorld } from "../policy/types.ts";
import type { ProbedCell, ProbeFlow } from "../probes/types.ts";
import type { FlowOracle } from "./flow-oracle.ts";

/** What turns probed cells into cells to grade. */
export interface Resolver {
  oracle: FlowOracle;
  /** The world of that oracle, for the ports that pods declare. */
  world: OracleWorld;
  /** The command that reruns one cell. */
  rerun(probe: PlannedProbe, cell: ProbedCell): string;
}

/**
 * Gives each cell its expectation, the reference policies' reason, the identity of its destination, and under
 * `expect: policy` takes out of the grade what policies cannot be seen by: a pod to itself, and silent ports that the
 * destination was never meant to serve.
 */
export function resolveCells(probe: PlannedProbe, cells: readonly ProbedCell[], resolver: Resolver): Cell[] {
  return cells.map((probed) => {
    const answer = probed.flow === undefined ? undefined : resolver.oracle.answer(probed.flow);
    const wanted: Expectation = probed.expected ?? probe.expect;
    const expected = wanted === "policy" ? answer?.expected : wanted;
    const ungraded =
      wanted === "policy" && answer?.isLoopback === true
        ? "a pod to itself: CNIs differ"
        : wanted === "policy"
          ? undeclaredPort(probed, resolver.world)
          : undefined;
    const observation =
      probed.observation === undefined || probed.evidence === undefined
        ? probed.observation
        : { ...probed.observation, evidence: [...probed.observation.evidence, ...probed.evidence] };
    return {
      key: probed.key,
      rerun: resolver.rerun(probe, probed),
      ...(expected === undefined ? {} : { expected }),
      ...(observation === undefined ? {} : { observation }),
      ...(answer === undefined ? {} : { why: answer.why }),
      ...(probed.flow === undefined ? {} : { destination: destinationOf(probed.flow) }),
      ...(ungraded === undefined ? {} : { ungraded }),
    };
  });
}

/**
 * Why a CNI without enforcement cannot give what these cells expect, undefined where it can: it enforces, or nothing is
 * expected to be blocked by a policy.
 */
export function enforcementGap(cni: PlannedCni, cells: readonly Cell[]): string | undefined {
  if (cni.enforcesPolicy) return undefined;
  const isNeeded = cells.some(({ expected, why }) => expected === "blocked" && why?.allowed === false);
  return isNeeded ? `${cni.name} does not enforce NetworkPolicy` : undefined;
}

/** The pod and its address, so that a pod of the same name made later has to answer anew; else the address alone. */
export function destinationOf({ to, address }: ProbeFlow): string {
  const [only, ...others] = to;
  return only?.kind === "pod" && others.length === 0 ? `${only.namespace}/${only.name}@${address}` : address;
}

/**
 * A matrix asks every pod for every port. Where the manifests declare no such port and nothing answers, there is nothing
 * for a policy to block; where something does answer, the cell is graded like any other.
 */
function undeclaredPort({ flow, observation }: ProbedCell, world: OracleWorld): string | undefined {
  const [only, ...others] = flow?.to ?? [];
  if (flow?.port === undefined || only?.kind !== "pod" || others.length > 0) return undefined;
  if (observation?.outcome !== "dropped" && observation?.outcome !== "rejected") return undefined;
  const pod = world.pods.find(({ namespace, name }) => namespace === only.namespace && name === only.name);
  if (pod === undefined || !pod.addresses.includes(flow.address)) return undefined;
  const protocol = flow.protocol === "udp" ? "UDP" : "TCP";
  const isDeclared = pod.ports.some((port) => port.containerPort === flow.port && port.protocol === protocol);
  return isDeclared ? undefined : `${pod.namespace}/${pod.name} declares no port ${flow.port}/${protocol}`;
}
