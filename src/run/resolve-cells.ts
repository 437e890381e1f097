import type { Cell, Expectation } from "../grade/types.ts";
import type { PlannedCni, PlannedProbe } from "../plan/types.ts";
import type { OraclePod, OracleWorld } from "../policy/types.ts";
import type { ProbedCell } from "../probes/types.ts";
import type { Service } from "../kube/types.ts";
import type { FlowAnswer, FlowOracle } from "./flow-oracle.ts";
import { standInBehind } from "./stand-in.ts";

/** What turns probed cells into cells to grade. */
export interface Resolver<Probed extends ProbedCell> {
  oracle: FlowOracle;
  /** The world of that oracle, for the ports that pods declare. */
  world: OracleWorld;
  /** As the solved lab would have them. */
  services: readonly Service[];
  /** The command that reruns one cell. */
  rerun(probe: PlannedProbe, cell: Probed): string;
}

/**
 * Gives each cell its expectation and the reference policies' reason, and under `expect: policy` takes out of the grade
 * where no policy can be seen: a pod to itself, and silent ports that the destination was never meant to serve.
 */
export function resolveCells<Probed extends ProbedCell>(
  probe: PlannedProbe,
  cells: readonly Probed[],
  resolver: Resolver<Probed>,
): Cell[] {
  const pods = new Map(resolver.world.pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
  return cells.map((probed) => {
    const answer = probed.flow === undefined ? undefined : resolver.oracle.answer(probed.flow);
    const wanted: Expectation = probed.expected ?? probe.expect;
    const expected = wanted === "policy" ? answer?.expected : wanted;
    const ungraded = probed.ungraded ?? (wanted === "policy" ? beyondPolicy(probed, answer, pods) : undefined);
    const standIn = standInBehind(probed, resolver.services, resolver.world);
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
      ...(probed.destination === undefined ? {} : { destination: probed.destination }),
      ...(ungraded === undefined ? {} : { ungraded }),
      ...(standIn === undefined ? {} : { standIn }),
    };
  });
}

/**
 * Cells of one probe as two references have them, with every bonus task solved and without those that the probe is not of: whoever
 * solves none of these, or all, is judged the same. Where the references disagree on what to expect the cell leaves the grade;
 * a server is a stand-in only where neither reference selects it.
 */
export function agreedCells(all: readonly Cell[], fewer: readonly Cell[]): Cell[] {
  return fewer.map((cell, index) => {
    const other = all[index];
    const { standIn, ...rest } = cell;
    const agreed = standIn === undefined || other?.standIn === undefined ? rest : cell;
    const isSame =
      JSON.stringify(cell.expected) === JSON.stringify(other?.expected) &&
      (cell.ungraded === undefined) === (other?.ungraded === undefined);
    return isSame ? agreed : { ...agreed, ungraded: "what to expect here depends on a bonus task's solution" };
  });
}

/**
 * Why a CNI without enforcement cannot give what these cells expect, undefined where it can: it enforces, or nothing is
 * expected to be blocked by a policy. Of cluster-wide policies the same.
 */
export function enforcementGap(cni: PlannedCni, cells: readonly Cell[]): string | undefined {
  if (cni.enforcesPolicy && cni.enforcesAdminPolicy === true) return undefined;
  const isAdminNeeded = cells.some(
    ({ expected, ungraded, why }) => ungraded === undefined && expected === "blocked" && why?.isUnenforced === true,
  );
  if (isAdminNeeded) return `${cni.name} does not enforce cluster-wide policies`;
  if (cni.enforcesPolicy) return undefined;
  const isNeeded = cells.some(
    ({ expected, ungraded, why }) => ungraded === undefined && expected === "blocked" && why?.allowed === false,
  );
  return isNeeded ? `${cni.name} does not enforce NetworkPolicy` : undefined;
}

/** By `shop/web-1`. */
type PodsByName = ReadonlyMap<string, OraclePod>;

function beyondPolicy(probed: ProbedCell, answer: FlowAnswer | undefined, pods: PodsByName): string | undefined {
  return answer?.isLoopback === true ? "a pod to itself: CNIs differ" : undeclaredPort(probed, pods);
}

/**
 * A matrix asks every pod for every port. Where the manifests declare no such port and nothing answers, there is nothing
 * for a policy to block; where something does answer, the cell is graded like any other.
 */
function undeclaredPort({ flow, observation }: ProbedCell, pods: PodsByName): string | undefined {
  const [only, ...others] = flow?.to ?? [];
  if (flow?.port === undefined || only?.kind !== "pod" || others.length > 0) return undefined;
  if (observation?.outcome !== "dropped" && observation?.outcome !== "rejected") return undefined;
  const pod = pods.get(`${only.namespace}/${only.name}`);
  if (pod === undefined || !pod.addresses.includes(flow.address)) return undefined;
  const protocol = flow.protocol === "udp" ? "UDP" : "TCP";
  const isDeclared = pod.ports.some((port) => port.containerPort === flow.port && port.protocol === protocol);
  return isDeclared ? undefined : `${pod.namespace}/${pod.name} declares no port ${flow.port}/${protocol}`;
}
