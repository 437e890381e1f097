import { asError } from "../core/as-error.ts";
import { LabError } from "../core/errors.ts";
import type { KubeObject } from "../kube/types.ts";
import { enforcedWithin } from "../lab/enforced-within.ts";
import type { Plan, PlannedProbe } from "../plan/types.ts";
import { controlSweepCells, type SelfControl } from "../probes/controls.ts";
import {
  compareEnforcement,
  enforcementFigures,
  observeEnforcement,
  requestsText,
  STEADY_ROUNDS,
} from "../probes/enforcement.ts";
import { RequestRounds } from "../probes/request-rounds.ts";
import { sweep } from "../probes/sweep.ts";
import type { ProbeContext } from "../probes/types.ts";
import type { PlacedLab } from "./bring-up.ts";
import type { RunContext } from "./context.ts";
import {
  changedFlows,
  chooseFlows,
  serverOf,
  withChange,
  type ChangedFlow,
  type ObjectsChange,
} from "./enforcement-flows.ts";
import { addChange, policyDigest, type RecordedFlow, type Unseen } from "./enforcement-record.ts";
import { liveOracle } from "./lens.ts";

/** Rounds before the change: what a flow was like is known by more than one request. */
const ROUNDS_BEFORE = 3;
/** The shortest that flows are watched for after a change, so that one that goes back is seen. */
const LINGER_MS = 500;
/** How much longer than a probe allows its flows are watched for, so that it is told what became of them. */
const LONGER_MS = 1000;
/** Of each probe. */
const MOST_WATCHED = 24;
/** Of each probe: those that are asked for once, to see where a server is. */
const MOST_ASKED = 4096;
/** One SYN retransmit (RFC 6298: 1 s) and a little. */
const DEADLINE_MS = 1100;

/**
 * Makes a change of objects and, where it changes policies, measures for the probes that expect `enforcedWithin` how long after the store had
 * accepted it flows were still as before. The lab's record keeps what was seen. `make` resolves when the change is accepted. What
 * cannot be measured is noted down, and never keeps the change from being made; rejects with what `make` rejects with.
 */
export async function watchEnforcement<Result>(
  { plan, cluster, record }: PlacedLab,
  change: ObjectsChange,
  context: RunContext,
  make: () => Promise<Result>,
): Promise<Result> {
  const probes = enforcementProbes(plan);
  if (probes.length === 0 || !plan.cni.enforcesPolicy) return make();
  const objects = await cluster.list();
  const planned = withChange(objects, change);
  const before = policyDigest(objects);
  if (policyDigest(planned) === before) return make();
  const probeContext = { plan, cluster, objects, signal: context.signal, deadlineMs: DEADLINE_MS };
  const found = await findFlows(probes, planned, probeContext);
  const chosen = await chooseWatched(found, probeContext);
  if (chosen.flows.length > 0)
    context.emit({ type: "progress", phase: "scenario", message: `watching ${chosen.flows.length} flows` });
  const watched = await watchFlows(chosen.flows, probes, probeContext, make);
  const later = await cluster.list();
  const at = new Date(context.now().getTime() - (performance.now() - watched.acceptedMs)).toISOString();
  const measured = await measure(watched, chosen, { ...probeContext, objects: later }, at);
  record.enforcement = addChange(record.enforcement, {
    before,
    after: policyDigest(later),
    changed: found.flows,
    flows: measured.flows,
    unseen: [...found.unseen, ...chosen.unseen, ...measured.unseen],
  });
  warnOfLate(measured.flows, probes, context);
  return watched.result;
}

function warnOfLate(all: readonly RecordedFlow[], probes: readonly PlannedProbe[], { emit }: RunContext): void {
  for (const { name, expect } of probes) {
    const [first, ...others] = all.filter(({ probe }) => probe === name);
    if (first === undefined || typeof expect === "string") continue;
    const late = compareEnforcement(observeEnforcement([first, ...others]).measured ?? {}, expect);
    if (late === undefined) continue;
    const hint = "cnilab grade says so, too, until the policies that decide these flows are changed again";
    emit({ type: "warning", warning: { code: "ENFORCEMENT_LATE", message: `${name}: ${late}`, hint } });
  }
}

/** The probes whose expectation is about changes of policies. */
export function enforcementProbes({ probes }: Plan): PlannedProbe[] {
  return probes.filter(({ expect }) => enforcedWithin(expect) !== undefined);
}

interface FoundFlows {
  flows: ChangedFlow[];
  controls: SelfControl[];
  unseen: Unseen[];
}

async function findFlows(
  probes: readonly PlannedProbe[],
  planned: readonly KubeObject[],
  context: ProbeContext,
): Promise<FoundFlows> {
  const { plan, cluster, objects } = context;
  const oracles = [await liveOracle(plan, objects, cluster), await liveOracle(plan, planned, cluster)] as const;
  const found: FoundFlows = { flows: [], controls: [], unseen: [] };
  for (const probe of probes) {
    try {
      const { flows, controls } = await changedFlows(probe, oracles, context);
      found.flows.push(...flows);
      const servers = new Set(flows.map(({ server }) => server));
      found.controls.push(...controls.filter((control) => servers.has(serverOfControl(control))));
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      found.unseen.push({ probe: probe.name, what: `${error.code}: ${error.message}` });
    }
  }
  return found;
}

interface ChosenFlows extends FoundFlows {
  controls: SelfControl[];
}

/** Asks every changed flow once, and takes of those that can show the change so many of each probe as are watched. */
async function chooseWatched({ flows: all, controls }: FoundFlows, context: ProbeContext): Promise<ChosenFlows> {
  const names = [...new Set(all.map(({ probe }) => probe))];
  const asked = names.flatMap(
    (name) =>
      chooseFlows(
        all.filter(({ probe }) => probe === name),
        MOST_ASKED,
      ).chosen,
  );
  const seen = await sweep(
    [...asked.map(({ request }, id) => ({ ...request, id })), ...controlSweepCells(controls, asked.length)],
    context,
  );
  const isAnswered = (id: number): boolean => seen.get(id)?.outcome === "answered";
  const answered = asked.filter((_, id) => isAnswered(id));
  const serving = new Set([
    ...answered.map(({ server }) => server),
    ...controls.filter((_, index) => isAnswered(asked.length + index)).map(serverOfControl),
  ]);
  // Where nothing answers anybody no policy can be seen.
  const served = asked.filter(({ server }) => serving.has(server));
  const passed = new Set(answered);
  const usable = served.filter((flow) => passed.has(flow) === (flow.change === "closed"));
  const flows: ChangedFlow[] = [];
  const unseen: Unseen[] = [];
  for (const probe of names) {
    const { chosen, missed } = chooseFlows(
      usable.filter((flow) => flow.probe === probe),
      MOST_WATCHED,
    );
    flows.push(...chosen);
    for (const group of missed)
      unseen.push({ probe, what: `more than ${MOST_WATCHED} flows: nothing was watched of what is ${group}` });
    const covered = new Set([...chosen.flatMap(({ groups }) => groups), ...missed]);
    const others = served.filter((flow) => flow.probe === probe && flow.groups.some((group) => !covered.has(group)));
    const [first] = chooseFlows(others, 1).chosen;
    if (first !== undefined)
      unseen.push({
        probe,
        what: `${first.flow} was ${first.change === "closed" ? "blocked" : "open"} before the change already, though the policies said otherwise`,
      });
  }
  return { flows, unseen, controls };
}

interface Watched<Result> {
  result: Result;
  acceptedMs: number;
  flows: readonly ChangedFlow[];
  rounds: RequestRounds;
}

async function watchFlows<Result>(
  flows: readonly ChangedFlow[],
  probes: readonly PlannedProbe[],
  context: ProbeContext,
  make: () => Promise<Result>,
): Promise<Watched<Result>> {
  const rounds = new RequestRounds(
    flows.map(({ request }) => request),
    context,
  );
  if (flows.length === 0) return { result: await make(), acceptedMs: performance.now(), flows, rounds };
  for (let round = 0; round < ROUNDS_BEFORE; round++) await rounds.next();
  const boundMs = Math.max(...probes.map(({ expect }) => (enforcedWithin(expect) ?? 0) + LONGER_MS));
  let end: { result: Result; acceptedMs: number } | { error: unknown } | undefined;
  const making = make().then(
    (result) => (end = { result, acceptedMs: performance.now() }),
    (error: unknown) => (end = { error }),
  );
  const isOver = (): boolean => {
    if (end === undefined || "error" in end) return end !== undefined;
    const sinceMs = performance.now() - end.acceptedMs;
    return sinceMs >= boundMs || (sinceMs >= LINGER_MS && areSteady(flows, rounds, end.acceptedMs));
  };
  try {
    while (!isOver()) await rounds.next();
  } finally {
    // The change is not left to itself, whatever becomes of the watch.
    await making;
  }
  if (end === undefined || "error" in end) throw asError(end?.error);
  return { ...end, flows, rounds };
}

function areSteady(flows: readonly ChangedFlow[], { requests, failures }: RequestRounds, acceptedMs: number): boolean {
  return flows.every(({ change }, index) => {
    if (failures.has(index)) return true;
    const last = (requests[index] ?? []).slice(-STEADY_ROUNDS);
    return (
      last.length === STEADY_ROUNDS &&
      last.every(
        ({ sentMs, result }) => sentMs >= acceptedMs && (result.outcome === "answered") === (change === "opened"),
      )
    );
  });
}

/** The figures of flows whose requests show the change and nothing else; what keeps others from it. */
async function measure(
  { flows, rounds, acceptedMs }: Omit<Watched<unknown>, "result">,
  { controls }: ChosenFlows,
  context: ProbeContext,
  at: string,
): Promise<{ flows: RecordedFlow[]; unseen: Unseen[] }> {
  const { plan, cluster, objects } = context;
  const measured: RecordedFlow[] = [];
  const unseen: Unseen[] = [];
  if (flows.length === 0) return { flows: measured, unseen };
  const oracle = await liveOracle(plan, objects, cluster);
  const ends = await sweep(controlSweepCells(controls, 0), context);
  const known = new Set(controls.map(serverOfControl));
  const serving = new Set(controls.filter((_, index) => ends.get(index)?.outcome === "answered").map(serverOfControl));
  for (const [index, { probe, flow, change, server, probed }] of flows.entries()) {
    const requests = rounds.requests[index] ?? [];
    const before = requests.slice(0, ROUNDS_BEFORE);
    const problem =
      rounds.failures.get(index) ??
      (before.every(({ result }) => (result.outcome === "answered") === (change === "closed"))
        ? undefined
        : "it was not steady before the change") ??
      (known.has(server) && !serving.has(server) ? "its server does not answer any more" : undefined) ??
      (oracle.answer(probed.flow).expected === (change === "closed" ? "blocked" : "allowed")
        ? undefined
        : "the policies are not what the change said");
    if (problem !== undefined) {
      unseen.push({ probe, what: `${flow}: ${problem}` });
      continue;
    }
    const figures = enforcementFigures(requests, acceptedMs, change);
    measured.push({ probe, flow, at, figures, seen: requestsText(requests, acceptedMs) });
  }
  return { flows: measured, unseen };
}

function serverOfControl({ destination, keyPort, protocol }: SelfControl): string {
  return serverOf(destination, keyPort, protocol);
}
