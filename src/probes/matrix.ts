import * as z from "zod";
import { LabError } from "../core/errors.ts";
import { isPodReady } from "../kube/pods.ts";
import type { Pod } from "../kube/types.ts";
import { livePods, podName } from "../kube/workloads.ts";
import { familyField, podPatternField, protocolPortField } from "../lab/fields.ts";
import type { ProtocolPort } from "../lab/fields.ts";
import { matchPodPattern } from "../lab/refs.ts";
import type { PodPattern } from "../lab/refs.ts";
import { sctpNotSent } from "../plan/sctp.ts";
import { podSource } from "../providers/source.ts";
import type { ResolvedSource } from "../providers/source.ts";
import type { Flow } from "../providers/types.ts";
import { selfControls } from "./controls.ts";
import type { SelfControl } from "./controls.ts";
import { compareEnforcement, enforcementExpect } from "./enforcement.ts";
import { errorObservation } from "./observe.ts";
import { flowTo, podTarget, sourceAddresses } from "./resolve.ts";
import { sweepAgain, sweepCells } from "./sweep-cells.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

/** Cells of one matrix: a million takes more than a string can hold when it is kept. */
const MOST_CELLS = 500_000;

const patterns = z.union([podPatternField().transform((one) => [one]), z.array(podPatternField()).min(1)]);

const matrixOptions = z
  .strictObject({
    pods: patterns.optional().describe("Sources and destinations: shop/*, or a list of patterns"),
    from: patterns.optional().describe("Sources, where they differ from `pods`"),
    to: patterns.optional().describe("Destinations, where they differ from `pods`"),
    ports: z.array(protocolPortField()).min(1).describe("5432/tcp, 53/udp; each is tried on every destination"),
    external: z.boolean().optional().describe("The host outside the cluster is a source too"),
    nodes: z.boolean().optional().describe("Every node is a source too"),
    family: familyField(),
  })
  .superRefine((options, issues) => {
    if (options.pods !== undefined || (options.from !== undefined && options.to !== undefined)) return;
    issues.addIssue({
      code: "custom",
      message: "a matrix needs pods, or both from and to",
      params: { code: "MATRIX_NO_PODS_NAMED", hint: "add pods: NAMESPACE/*" },
    });
  });

type MatrixOptions = z.output<typeof matrixOptions>;

/** Every pair of pods on every port, in one sweep; docs/probes/matrix.md. */
export const matrix = defineProbe<MatrixOptions>({
  kind: "matrix",
  summary: "tries every pair of pods on every port at once",
  options: matrixOptions,
  source: "none",
  // Its drops, on the way to every pod, would be taken for those of the tools that run beside it.
  exclusive: "drop-records",
  tools: [],
  references: () => [],
  expect: enforcementExpect,
  compare: compareEnforcement,
  flows: (options, _from, context) => Promise.resolve(planMatrix(options, context)),
  run: async (options, _from, context) => {
    if (context.again !== undefined) return sweepAgain(context.again, context);
    const { cells, controls, keptControls } = planMatrix(options, context);
    return [...(await sweepCells(cells, controls, context)), ...keptControls];
  },
});

interface PlannedMatrix {
  /** Those that are known from before have their observation. */
  cells: ProbedCell[];
  controls: SelfControl[];
  /** Controls of destinations of which no cell is probed. */
  keptControls: ProbedCell[];
}

function planMatrix(options: MatrixOptions, context: ProbeContext): PlannedMatrix {
  const pods = livePods(context.objects);
  const sources: MatrixSource[] = [
    ...selectPods(options.from ?? options.pods ?? [], pods, "from").map(podAsSource),
    ...otherSources(options, context),
  ];
  const cells: ProbedCell[] = [];
  const controls: SelfControl[] = [];
  const keptControls: ProbedCell[] = [];
  const ports = options.ports.map(sentPort);
  const destinations = selectPods(options.to ?? options.pods ?? [], pods, "to");
  refuseTooMany(sources.length * destinations.length * ports.length);
  for (const pod of destinations) {
    const to = podName(pod);
    for (const port of ports) {
      const only = context.only?.(to, port.port, port.protocol);
      if (context.only !== undefined && only === undefined) continue;
      // A pod to itself never leaves its namespace, and CNIs differ on it: never graded (docs/probes/matrix.md).
      const from = sources.filter(
        ({ name }) => name !== to && isWanted(context.cell, name, to) && (only === undefined || only.has(name)),
      );
      const aim = { ...port, family: options.family };
      const known = (source: string): ProbedCell | undefined => context.kept?.(source, to, aim.port, aim.protocol);
      let hasNew = false;
      const target = matrixTarget(pod, aim);
      for (const source of from) {
        const kept = known(source.name);
        const cell = kept ?? planCell(source, to, target);
        hasNew ||= kept === undefined && cell.flow !== undefined;
        cells.push(cell);
      }
      const control = hasNew ? undefined : known(to);
      if (hasNew) controls.push(...selfControls(podTarget(pod, aim), aim.port, aim.protocol));
      else if (control !== undefined) keptControls.push(control);
    }
  }
  return { cells, controls, keptControls };
}

/** What is seen of each cell is held in memory and kept with the lab. */
function refuseTooMany(cells: number): void {
  if (cells <= MOST_CELLS) return;
  throw new LabError("MATRIX_TOO_LARGE", `the matrix has ${cells} cells; the most is ${MOST_CELLS}`, {
    hint: "name fewer pods or ports: pods that policies treat alike show the same",
  });
}

type MatrixAim = ReturnType<typeof sentPort> & Pick<MatrixOptions, "family">;

/** A port that the prober has a socket for; plans have no other. Throws PLAN_NO_SCTP. */
function sentPort({ port, protocol }: ProtocolPort): { port: number; protocol: "tcp" | "udp" } {
  if (protocol === "sctp") throw sctpNotSent(`${port}/sctp of a matrix`);
  return { port, protocol };
}

interface MatrixSource {
  name: string;
  /** Why nothing can start there. */
  source: ResolvedSource | LabError;
}

function podAsSource(pod: Pod): MatrixSource {
  try {
    return { name: podName(pod), source: podSource(pod) };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { name: podName(pod), source: error };
  }
}

/** A pod and a port as sources' target. */
interface MatrixTarget {
  aim: MatrixAim;
  /** Worked out once for all sources with addresses of the same families: `flow.from` is the first of them. */
  towards(source: ResolvedSource): { flow: Flow; destination?: string } | LabError;
}

function matrixTarget(pod: Pod, aim: MatrixAim): MatrixTarget {
  const known = new Map<string, { flow: Flow; destination?: string } | LabError>();
  const workOut = (source: ResolvedSource): { flow: Flow; destination?: string } | LabError => {
    try {
      const target = podTarget(pod, aim, source);
      const name = podName(pod);
      if (!isPodReady(pod)) throw new LabError("TARGET_NOT_READY", `pod ${name} is not ready`);
      const flow = flowTo(target, aim, source);
      return target.identity === name ? { flow } : { flow, destination: target.identity };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return error;
    }
  };
  return {
    aim,
    towards(source) {
      const families = sourceAddresses(source)
        .map((address) => (address.includes(":") ? 6 : 4))
        .join();
      let found = known.get(families);
      if (found === undefined) {
        found = workOut(source);
        known.set(families, found);
      }
      return found;
    },
  };
}

function planCell({ name, source }: MatrixSource, to: string, { aim, towards }: MatrixTarget): ProbedCell {
  const key = { from: name, to, port: aim.port, protocol: aim.protocol };
  if (source instanceof LabError) return { key, observation: errorObservation(source) };
  const found = towards(source);
  if (found instanceof LabError) return { key, observation: errorObservation(found) };
  const { flow, destination } = found;
  return { key, flow: { ...flow, from: source.source }, ...(destination !== undefined && { destination }) };
}

function otherSources({ external, nodes }: MatrixOptions, { plan }: ProbeContext): MatrixSource[] {
  const others: ResolvedSource[] = [
    ...(nodes === true
      ? plan.topology.nodes.map(({ name }): ResolvedSource => ({
          source: { kind: "node", name },
          name: `node/${name}`,
        }))
      : []),
    ...(external === true ? [{ source: { kind: "external" as const }, name: "external" }] : []),
  ];
  return others.map((source) => ({ name: source.name, source }));
}

function selectPods(wanted: readonly PodPattern[], pods: readonly Pod[], side: string): Pod[] {
  const found = pods.filter((pod) =>
    wanted.some((pattern) =>
      matchPodPattern(pattern, { namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name }),
    ),
  );
  for (const pattern of wanted) {
    if (
      pods.some((pod) =>
        matchPodPattern(pattern, { namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name }),
      )
    )
      continue;
    throw new LabError("MATRIX_MATCHES_NOTHING", `no pod matches ${pattern.namespace}/${pattern.name} (${side})`, {
      hint: "a pattern that matches nothing would make a matrix that proves nothing; cnilab status shows the pods",
    });
  }
  return found;
}

function isWanted(cell: ProbeContext["cell"], from: string, to: string): boolean {
  return cell === undefined || (cell.from === from && cell.to === to);
}
