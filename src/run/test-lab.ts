import { cniText } from "../core/cni-text.ts";
import type { Pod } from "../kube/types.ts";
import type { Plan } from "../plan/types.ts";
import type { LabTest, TestedMutant } from "../report/test-types.ts";
import { bringUpPlan, type PlacedLab, type SceneOptions, setScene } from "./bring-up.ts";
import type { RunContext } from "./context.ts";
import { deletedRefs, readManifest } from "./lens.ts";
import type { EffectScope } from "./mutant-effect.ts";
import { type Mutant, mutantsOf, solutionObjects, untouchedObjects } from "./mutants.ts";
import { PhaseRunner, withUndo } from "./phases.ts";
import { stableNames } from "./pod-owner.ts";
import { remove } from "./provision.ts";
import { namespaceOf, referenceObjects } from "./reference-objects.ts";
import type { WorldSource } from "./reference-world.ts";
import { forgetAnswers } from "./reset-lab.ts";
import { findingsOf } from "./test-findings.ts";
import {
  canFollow,
  differenceOf,
  firstNotPassed,
  gradeState,
  isFullPass,
  isRefusal,
  SolutionState,
  tested,
  whyEquivalent,
} from "./try-mutants.ts";

/** What the host outside the cluster serves on every provider. */
const EXTERNAL_PORTS = [{ port: 80, protocol: "TCP" }] as const;

type Graded = Pick<LabTest, "untouched" | "withoutBonus" | "solved" | "mutants">;

/**
 * Tests one lab's grader on a cluster of its own, which is removed again whatever happens: untouched, solved, and each mutant
 * of the solution. Throws what making the lab throws, and what the solution throws.
 */
export async function testLab(wish: Plan, context: RunContext): Promise<LabTest> {
  const phases = new PhaseRunner(context);
  // Beside the lab itself, which may be up.
  const plan: Plan = { ...wish, lab: { ...wish.lab, name: `${wish.lab.name.slice(0, 58)}-test` } };
  const graded = await onOwnCluster(plan, undefined, phases, (lab) => gradeAll(lab, phases));
  const { name, title, file } = wish.lab;
  const { mutants } = graded;
  const count = (status: TestedMutant["status"]): number => mutants.filter((each) => each.status === status).length;
  const findings = findingsOf(wish, graded);
  return {
    lab: { name, title, file },
    provider: plan.provider,
    cni: cniText(plan.cni.name, plan.cni.mode, plan.cni.options),
    verdict: findings.length > 0 ? "fail" : "pass",
    ...graded,
    counts: {
      noticed: count("noticed"),
      survived: count("survived"),
      equivalent: count("equivalent"),
      refused: count("refused"),
    },
    findings,
    durationMs: phases.elapsedMs(),
  };
}

async function onOwnCluster<Result>(
  plan: Plan,
  known: SceneOptions["known"],
  phases: PhaseRunner,
  act: (lab: PlacedLab) => Promise<Result>,
): Promise<Result> {
  const { context } = phases;
  return withUndo(context, async (undo) => {
    const lab = await bringUpPlan(plan, { needsBaseline: false, known }, phases, undo);
    const result = await act(lab);
    await phases.runToEnd("down", `remove ${plan.lab.name}`, () => remove(lab, context));
    return result;
  });
}

async function gradeAll(lab: PlacedLab, phases: PhaseRunner): Promise<Graded> {
  const { plan } = lab;
  const { context } = phases;
  const untouched = await phases.run("probe", "grade the untouched lab", () => gradeState(lab, context));
  const solution = solutionObjects(plan);
  if (solution.length === 0) return { untouched, mutants: [] };

  const before = untouchedObjects({ plan, deletedRefs });
  const state = new SolutionState(before);
  const required = plan.tasks.filter(({ isBonus }) => isBonus !== true);
  const withoutBonus =
    required.length === plan.tasks.length
      ? {}
      : {
          withoutBonus: await phases.run("solution", "apply and grade the solution without the bonus", async () => {
            await state.change(lab, solutionObjects({ tasks: required }), context);
            return gradeState(lab, context);
          }),
        };
  const solved = await phases.run("solution", "apply and grade the reference solution", async () => {
    await state.change(lab, solution, context);
    return gradeState(lab, context);
  });
  const { world, scope } = await look(lab);
  const mutants = mutantsOf({ plan, deletedRefs, readText: world.readText });
  // What the probes do not tell of the solution, they cannot tell of a mutant.
  if (!isFullPass(solved)) return { untouched, ...withoutBonus, solved, mutants: [] };

  const inPlace = canFollow(solution);
  const tryAll = async (): Promise<TestedMutant[]> => {
    const done: TestedMutant[] = [];
    for (const mutant of mutants) {
      context.signal.throwIfAborted();
      const message = `${mutant.name}: ${mutant.what}`;
      context.emit({ type: "progress", phase: "grade", message, done: done.length + 1, total: mutants.length });
      const why = whyEquivalent(mutant, world, scope);
      if (why !== undefined) done.push(tested(mutant, "equivalent", { why }));
      else if (inPlace) done.push(await tryMutant(mutant, lab, state, { world, scope }, quietly(context)));
      else done.push(await tryAlone(mutant, lab, { world, scope }, quietly(context)));
    }
    return done;
  };
  const title = `try ${mutants.length} mutants of the solution`;
  // A cluster of a mutant's own is removed before an interrupt goes on.
  const results = await (inPlace ? phases.run("grade", title, tryAll) : phases.runToEnd("grade", title, tryAll));
  return { untouched, ...withoutBonus, solved, mutants: results };
}

interface Looked {
  world: WorldSource;
  scope: EffectScope;
}

/** The solved lab as the oracle sees it. */
async function look({ plan, cluster }: PlacedLab): Promise<Looked> {
  const objects = await cluster.list();
  const nameOf = stableNames(objects);
  const reference = referenceObjects(plan, deletedRefs);
  const namespaces = new Set(
    reference.filter(({ object }) => object.kind !== "Namespace").map(({ object }) => namespaceOf(object)),
  );
  const hasOutside = JSON.stringify(plan.probes).includes('"external"');
  const addresses = hasOutside ? await cluster.addresses({ kind: "external" }) : [];
  const bare = new Set(
    objects
      .filter((object): object is Pod => object.kind === "Pod")
      .map(({ metadata: { namespace = "default", name } }) => `${namespace}/${name}`),
  );
  return {
    world: { plan, objects, deletedRefs, readText: (file) => readManifest(plan, file) },
    scope: {
      namespaces,
      external: { addresses, ports: EXTERNAL_PORTS },
      nameOf: (pod) => (nameOf(pod) === pod && bare.has(pod) ? pod.replace("/", "/pod/") : nameOf(pod)),
    },
  };
}

/** Puts the mutant in the place of what the cluster has of the solution, and grades it. */
async function tryMutant(
  mutant: Mutant,
  lab: PlacedLab,
  state: SolutionState,
  { world, scope }: Looked,
  context: RunContext,
): Promise<TestedMutant> {
  const startedMs = context.monotonicMs();
  try {
    await state.change(lab, mutant.solution, context);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return tested(mutant, "refused", { why: error.message, durationMs: context.monotonicMs() - startedMs });
  }
  const noticedBy = await firstNotPassed(lab, context);
  const durationMs = context.monotonicMs() - startedMs;
  if (noticedBy.length > 0) return tested(mutant, "noticed", { noticedBy, durationMs });
  const missing = differenceOf(mutant, world, scope);
  return tested(mutant, "survived", { durationMs, ...(missing === undefined ? {} : { missing }) });
}

/** The same on a cluster that has never had another solution: reset where the cluster can, else made anew. */
async function tryAlone(mutant: Mutant, lab: PlacedLab, looked: Looked, context: RunContext): Promise<TestedMutant> {
  const { plan, cluster } = lab;
  const phases = new PhaseRunner(context);
  const state = new SolutionState(untouchedObjects({ plan, deletedRefs }));
  const known = lab.record.baseline;
  if (cluster.reset !== undefined) {
    await cluster.reset();
    const fresh: PlacedLab = { ...lab, record: forgetAnswers(lab.record) };
    await setScene(fresh, { needsBaseline: false, known }, phases);
    return tryMutant(mutant, fresh, state, looked, context);
  }
  const own: Plan = { ...plan, lab: { ...plan.lab, name: `${plan.lab.name.slice(0, 58)}-own` } };
  return onOwnCluster(own, known, phases, (fresh) => tryMutant(mutant, fresh, state, looked, context));
}

/** What is unsteady or in vain in a mutant is nothing that anyone can mend. */
function quietly(context: RunContext): RunContext {
  return { ...context, emit: () => undefined };
}
