import { LabError } from "../core/errors.ts";
import { ADMIN_POLICY_KINDS } from "../kube/admin-policy-types.ts";
import type { KubeObject, Service } from "../kube/types.ts";
import type { PlannedObject } from "../plan/types.ts";
import type { ObjectRef } from "../providers/types.ts";
import type { MutantStatus, StateGrade, TestedMutant } from "../report/test-types.ts";
import type { PlacedLab } from "./bring-up.ts";
import type { RunContext } from "./context.ts";
import { type EffectScope, firstDifference } from "./mutant-effect.ts";
import type { Mutant } from "./mutants.ts";
import { orderedJson } from "./object-edits.ts";
import { probeAndJudge } from "./probing.ts";
import { keyOf } from "./reference-objects.ts";
import { referenceWorld, type WorldSource } from "./reference-world.ts";
import { settleTimeoutMs, untilReady } from "./scenario.ts";
import { watchEnforcement } from "./watch-enforcement.ts";
import { equalService } from "./service-mutants.ts";

/** A mutant need not become ready: what it is by then is graded. */
const mutantReadyMs = 10_000;

const policies: ReadonlySet<string> = new Set(["NetworkPolicy", ...ADMIN_POLICY_KINDS]);
/** Kinds whose effect is told by the objects that are there now, whatever was there before. */
const stateless: ReadonlySet<string> = new Set([...policies, "Service"]);

/** What the API says of an object that it does not take, whoever writes it. */
const refusals = new Set(["FIELD_IMMUTABLE", "OBJECT_INVALID", "NODE_PORT_TAKEN", "CLUSTER_IP_TAKEN", "API_REFUSED"]);

/** Whether the API refused the object itself. */
export function isRefusal(error: unknown): error is LabError {
  return error instanceof LabError && refusals.has(error.code);
}

/** Whether the solution's variants can follow one another in one cluster; pods, say, remember what they were made from. */
export function canFollow(solution: readonly PlannedObject[]): boolean {
  return solution.every(({ object }) => stateless.has(object.kind));
}

/** The objects of a solution as they are in a cluster, and how to get from one variant of it to the next. */
export class SolutionState {
  private readonly untouched: ReadonlyMap<string, KubeObject>;
  private readonly current: Map<string, KubeObject>;

  /** Of a cluster that has the untouched lab. */
  constructor(untouched: ReadonlyMap<string, KubeObject>) {
    this.untouched = untouched;
    this.current = new Map(untouched);
  }

  /**
   * Brings the cluster from the variant that it has to this one; what the variant lacks is as in the untouched lab. Resolves
   * when it is in effect and, where they get there in time, workloads are ready. Rejects with what the API says of an object that it refuses.
   */
  async change(lab: PlacedLab, solution: readonly PlannedObject[], context: RunContext): Promise<void> {
    const { cluster } = lab;
    const wanted = new Map([...this.untouched, ...solution.map(({ object }) => [keyOf(object), object] as const)]);
    const isOther = (key: string): boolean => orderedJson(this.current.get(key)) !== orderedJson(wanted.get(key));
    // A Service is made anew: some of its fields cannot be changed.
    const gone = [...this.current].filter(
      ([key, object]) =>
        isOther(key) &&
        (keepsItsFamilies(object, wanted.get(key)) ||
          (!this.untouched.has(key) && (!wanted.has(key) || object.kind === "Service"))),
    );
    const refs = gone.map(([, object]) => refOf(object));
    const changed = [...wanted].filter(([key]) => isOther(key));
    const apply = changed.map(([, object]) => object);
    await watchEnforcement(lab, { apply, delete: refs }, context, async () => {
      if (refs.length > 0) await cluster.delete(refs);
      for (const [key] of gone) this.current.delete(key);
      if (apply.length > 0) await cluster.apply(apply);
      for (const [key, object] of changed) this.current.set(key, object);
    });
    const made = changed.map(([, object]) => ({ object, file: "", line: 0 }));
    await untilReady(made, cluster, context.signal, mutantReadyMs).catch(async (error: unknown) => {
      if (!(error instanceof LabError) || error.code !== "WAIT_TIMEOUT") throw error;
      await cluster.settle({ timeoutMs: settleTimeoutMs });
    });
  }
}

/** The API keeps a Service's ipFamilyPolicy where the next version says none. */
function keepsItsFamilies(now: KubeObject, next: KubeObject | undefined): boolean {
  if (now.kind !== "Service" || next === undefined) return false;
  return (now as Service).spec.ipFamilyPolicy !== undefined && (next as Service).spec.ipFamilyPolicy === undefined;
}

/** Grades the lab as it is, by what the untouched lab of this cluster gave; its record stays as it was. */
export async function gradeState({ plan, cluster, record }: PlacedLab, context: RunContext): Promise<StateGrade> {
  const { probes, tasks } = plan;
  const { controls, baseline, enforcement } = record;
  const startedMs = context.monotonicMs();
  const { grade } = await probeAndJudge(
    { plan, cluster, probes, tasks, controls, baseline, enforcement, phase: "probe", isVerdictOnly: true },
    context,
  );
  const notPassed = grade.probes.filter(({ verdict }) => verdict !== "pass").map(({ name }) => name);
  const { verdict, earned, possible, bonus } = grade;
  const onTop = bonus === undefined ? {} : { bonus: { earned: bonus.earned, possible: bonus.possible } };
  return { verdict, earned, possible, ...onTop, notPassed, durationMs: context.monotonicMs() - startedMs };
}

/** Kinds of probes by what they cost where a flow is dropped: tools that look names up wait longest. */
const slowKinds = ["dns", "curl", "iperf"];

/**
 * The probes that do not pass in the lab as it is: those that only open sockets first, and the slower kinds one after another as
 * long as all have passed, since one that notices is enough. Only of a lab whose solution is a full pass: all passed is one then, too.
 */
export async function firstNotPassed({ plan, cluster, record }: PlacedLab, context: RunContext): Promise<string[]> {
  const { controls, baseline, enforcement } = record;
  const objects = await cluster.list();
  for (const slow of [undefined, ...slowKinds]) {
    const probes = plan.probes.filter(({ kind }) => (slowKinds.includes(kind) ? kind : undefined) === slow);
    if (probes.length === 0) continue;
    const names = new Set(probes.map(({ name }) => name));
    const tasks = plan.tasks.map((task) => ({ ...task, probes: task.probes.filter((name) => names.has(name)) }));
    const { grade } = await probeAndJudge(
      { plan, cluster, objects, probes, tasks, controls, baseline, enforcement, phase: "probe", isVerdictOnly: true },
      context,
    );
    const notPassed = grade.probes.filter(({ verdict }) => verdict !== "pass").map(({ name }) => name);
    if (notPassed.length > 0) return notPassed;
  }
  return [];
}

/** Nothing failed, nothing is open, and every point was earned, those of bonus tasks included. */
export function isFullPass({
  verdict,
  earned,
  possible,
  bonus = { earned: 0, possible: 0 },
  notPassed,
}: Omit<StateGrade, "durationMs">): boolean {
  return verdict === "pass" && notPassed.length === 0 && earned === possible && bonus.earned === bonus.possible;
}

/** Judges a mutant without a cluster of its own where that can be done: it does the same as the solution. */
export function whyEquivalent(mutant: Mutant, source: WorldSource, scope: EffectScope): string | undefined {
  if (mutant.object === undefined && !policies.has(mutant.kind)) return undefined;
  if (mutant.kind === "Service" && mutant.object !== undefined)
    return equalService(mutant.original as Service, mutant.object as Service);
  if (!policies.has(mutant.kind) || differenceOf(mutant, source, scope) !== undefined) return undefined;
  return "no policy's verdict of any pair of this lab changes";
}

/** The pair that tells the mutant apart by what policies say; undefined where they say the same. */
export function differenceOf(mutant: Mutant, source: WorldSource, scope: EffectScope): TestedMutant["missing"] {
  const { plan } = source;
  const [task] = plan.tasks;
  if (task === undefined) return undefined;
  const mutated = { ...source, plan: { ...plan, tasks: [{ ...task, solution: [...mutant.solution] }] } };
  return firstDifference(referenceWorld(source), referenceWorld(mutated), scope);
}

/** What is told of a mutant. */
export function tested(
  { change, what, kind, name, file, line }: Mutant,
  status: MutantStatus,
  more: Partial<Pick<TestedMutant, "why" | "noticedBy" | "missing" | "durationMs">> = {},
): TestedMutant {
  return { change, what, kind, name, file, line, status, noticedBy: [], durationMs: 0, ...more };
}

function refOf({ kind, metadata: { name, namespace } }: KubeObject): ObjectRef {
  return { kind, name, ...(namespace === undefined ? {} : { namespace }) };
}
