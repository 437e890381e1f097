import { createHash } from "node:crypto";
import type { PhaseName } from "../core/events.ts";
import type { Cell, DropProof, GradeReport, JudgedCell } from "../grade/types.ts";
import type { KubeObject, Pod } from "../kube/types.ts";
import { livePods } from "../kube/workloads.ts";
import type { Plan } from "../plan/types.ts";
import type { CellName, CellSide, LabState, Variant } from "../report/compare-types.ts";
import { figuresOf, recoveryOf, type CellFigure } from "./compare-figures.ts";
import { workloadOf } from "./pod-owner.ts";

/** One cell of one run, in the lab's own names. */
export interface CapturedCell extends CellName {
  side: CellSide;
  figures: CellFigure[];
  /** It takes no part in the grade. */
  isUngraded: boolean;
  /** Why the CNI cannot enforce what the probe needs. */
  notEnforceable?: string;
}

/** One graded run of one lab: plain data, which a saved run holds as it is. */
export interface CapturedRun {
  lab: { name: string; title: string };
  /** Of what the lab does and asks; equal for a lab that has not changed. */
  labDigest: string;
  state: LabState;
  variant: Variant;
  grade: { verdict: GradeReport["verdict"]; earned: number; possible: number; cells: number };
  phases: { phase: PhaseName; durationMs: number }[];
  cells: CapturedCell[];
}

/** Facts of `measured` that the lab decides (docs/probes/); all else of it are figures, or addresses. */
const factFields = ["status", "rcode"] as const;

/** Everything of a grade that can be held against another variant's. */
export function captureRun(
  plan: Plan,
  grade: GradeReport,
  {
    objects,
    state,
    variant,
    phases,
  }: Pick<CapturedRun, "state" | "variant" | "phases"> & {
    objects: readonly KubeObject[];
  },
): CapturedRun {
  const nameOf = labNames(objects);
  const seen = new Map<string, number>();
  const cells = grade.probes.flatMap((probe) =>
    [...probe.cells, ...(probe.ungraded ?? [])].map((cell): CapturedCell => {
      const { port, protocol } = cell.key;
      const name: CellName = {
        probe: probe.name,
        kind: probe.kind,
        from: nameOf(cell.key.from),
        to: nameOf(cell.key.to),
        ...(port === undefined ? {} : { port }),
        ...(protocol === undefined ? {} : { protocol }),
      };
      // Two cells may have one name, such as a destination's probe of itself beside a replica's of another.
      const id = cellNameId(name);
      const count = (seen.get(id) ?? 0) + 1;
      seen.set(id, count);
      return {
        ...name,
        ...(count === 1 ? {} : { to: `${name.to} (${count})` }),
        side: sideOf(cell),
        figures: [...figuresOf(cell.observation), ...recoveryOf(probe)],
        isUngraded: cell.ungraded !== undefined,
        ...(probe.notEnforceable === undefined ? {} : { notEnforceable: probe.notEnforceable }),
      };
    }),
  );
  return {
    lab: { name: plan.lab.name, title: plan.lab.title },
    labDigest: labDigest(plan),
    state,
    variant,
    grade: {
      verdict: grade.verdict,
      earned: grade.earned,
      possible: grade.possible,
      cells: cells.filter(({ isUngraded }) => !isUngraded).length,
    },
    phases,
    cells,
  };
}

/** Equal for cells of one name. */
export function cellNameId({ probe, from, to, port, protocol }: CellName): string {
  return JSON.stringify([probe, from, to, port, protocol]);
}

/** Equal for sides that are the same. */
export function signature({ observed, verdict, facts }: CellSide): string {
  return JSON.stringify([observed, verdict, ...factFields.map((field) => facts[field])]);
}

/**
 * Names an end of a cell as the lab does. Pods of a Deployment or ReplicaSet have random suffixes: they are the
 * workload's first, second, … in the order of their nodes, then of their names. Pods of a DaemonSet go by their node.
 */
export function labNames(objects: readonly KubeObject[]): (end: string) => string {
  const nodes = objects.filter(({ kind }) => kind === "Node").map(({ metadata }) => metadata.name);
  const byWorkload = new Map<string, Pod[]>();
  for (const pod of livePods(objects)) {
    const { kind, namespace, name } = workloadOf(pod, objects);
    // Their names are the lab's own.
    if (kind === "Pod" || kind === "StatefulSet") continue;
    const workload = `${namespace}/${kind.toLowerCase()}/${name}`;
    byWorkload.set(workload, [...(byWorkload.get(workload) ?? []), pod]);
  }
  const place = (pod: Pod): number => nodes.indexOf(pod.spec.nodeName ?? "");
  const names = new Map<string, string>();
  for (const [workload, pods] of byWorkload) {
    const sorted = pods.toSorted((a, b) => place(a) - place(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
    for (const [index, pod] of sorted.entries()) {
      const own = `${pod.metadata.namespace ?? "default"}/${pod.metadata.name}`;
      const isDaemon = workload.split("/")[1] === "daemonset";
      const suffix = isDaemon ? `@${pod.spec.nodeName ?? "nowhere"}` : sorted.length > 1 ? `#${index + 1}` : "";
      names.set(own, workload + suffix);
    }
  }
  return (end) => names.get(end) ?? end;
}

function sideOf(cell: Cell & Partial<Pick<JudgedCell, "verdict" | "reason">>): CellSide {
  const { observation, verdict = "absent", reason = cell.ungraded ?? "" } = cell;
  const measured = observation?.measured ?? {};
  const facts = Object.fromEntries(
    factFields.flatMap((field) => {
      const value = measured[field];
      return typeof value === "string" || typeof value === "number" ? [[field, value]] : [];
    }),
  );
  return {
    observed: observation?.outcome ?? "absent",
    reason: observation?.reason ?? "not probed",
    verdict,
    verdictReason: reason,
    facts,
    ...(observation?.proof === undefined ? {} : { proof: describeProof(observation.proof) }),
    ...(observation?.latencyMs === undefined ? {} : { latencyMs: observation.latencyMs }),
    tries: observation?.tries ?? 0,
  };
}

function describeProof({ direction, node, protocol, destinationPort }: DropProof): string {
  const port = destinationPort === undefined ? "" : ` ${destinationPort}`;
  return `${direction} rule on ${node}, ${protocol.toUpperCase()}${port}`;
}

function labDigest({ topology, cluster, scenario, probes, tasks }: Plan): string {
  // Neither what a task is called nor the help that it offers changes what is seen.
  const graded = tasks.map((task) => ({
    probes: task.probes,
    solution: task.solution,
    ...(task.isBonus === true ? { isBonus: true } : {}),
  }));
  const told = JSON.stringify({ topology, cluster, scenario, probes, tasks: graded }, (key, value: unknown) =>
    // Where it stands in a file is nothing that a lab does.
    ["span", "file", "line", "hint", "text"].includes(key) ? undefined : value,
  );
  return createHash("sha256").update(told).digest("hex").slice(0, 16);
}
