import type { KubeObject } from "../kube/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import type { SelfControl } from "../probes/controls.ts";
import type { FlowChange } from "../probes/enforcement.ts";
import { probeKinds } from "../probes/registry.ts";
import type { ProbeContext, ProbedCell, ProbeKind } from "../probes/types.ts";
import type { ObjectRef, SweepCell } from "../providers/types.ts";
import { isAnyPolicy } from "./enforcement-record.ts";
import type { FlowOracle } from "./flow-oracle.ts";
import { keyOf, namespaceOf } from "./reference-objects.ts";

/** A change of objects that is about to be asked for. */
export interface ObjectsChange {
  apply: readonly KubeObject[];
  delete: readonly Pick<ObjectRef, "kind" | "namespace" | "name">[];
}

/** A flow that a change of policies opens or closes. */
export interface ChangedFlow {
  probe: string;
  /** `shop/web → shop/db:5432/tcp`. */
  flow: string;
  change: FlowChange;
  /** Who decides that, before and after: policy, direction, enforcing node. */
  groups: readonly string[];
  request: Omit<SweepCell, "id">;
  /** Equal for flows to the same server. */
  server: string;
  probed: ProbedCell & { flow: NonNullable<ProbedCell["flow"]> };
}

/** The objects with the policies as they will be; what else changes says nothing of policies. */
export function withChange(objects: readonly KubeObject[], change: ObjectsChange): KubeObject[] {
  const applied = change.apply.filter(isAnyPolicy).map((object) => withNamespace(object));
  const gone = new Set([
    ...applied.map(keyOf),
    ...change.delete.map(({ kind, namespace, name }) => keyOf(bareObject(kind, namespace, name))),
  ]);
  const namespaces = new Set(change.delete.filter(({ kind }) => kind === "Namespace").map(({ name }) => name));
  const isGone = (object: KubeObject): boolean =>
    isAnyPolicy(object) &&
    (gone.has(keyOf(object)) || (object.kind === "NetworkPolicy" && namespaces.has(namespaceOf(object))));
  return [...objects.filter((object) => !isGone(object)), ...applied];
}

function withNamespace(object: KubeObject): KubeObject {
  if (object.kind !== "NetworkPolicy") return object;
  return { ...object, metadata: { ...object.metadata, namespace: namespaceOf(object) } };
}

/** An object of which no more is known than what it is called. */
export function bareObject(kind: string, namespace: string | undefined, name: string): KubeObject {
  return { apiVersion: "", kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } };
}

/** The flows of a probe that the policies treat otherwise after the change, and the controls of all its destinations. */
export async function changedFlows(
  probe: PlannedProbe,
  [before, after]: readonly [FlowOracle, FlowOracle],
  context: ProbeContext,
): Promise<{ flows: ChangedFlow[]; controls: SelfControl[] }> {
  const kind = (probeKinds as unknown as Record<string, ProbeKind>)[probe.kind];
  const planned = await kind?.flows?.(probe.options, probe.from, context);
  const flows = (planned?.cells ?? []).flatMap((probed): ChangedFlow[] => {
    const { flow, key, destination = key.to } = probed;
    if (flow?.port === undefined || flow.protocol === "icmp") return [];
    const [then, now] = [before.answer(flow).expected, after.answer(flow).expected];
    if (then === undefined || now === undefined || then === now) return [];
    const change: FlowChange = now === "blocked" ? "closed" : "opened";
    const deciders = new Set([...before.deciders(flow), ...after.deciders(flow)]);
    const { from, address, port, protocol } = flow;
    return [
      {
        probe: probe.name,
        flow: `${key.from} → ${key.to}:${key.port ?? port}/${protocol}`,
        change,
        groups: [...deciders].map((decider) => `${change} by ${decider}`),
        request: { from, address, port, protocol },
        server: serverOf(destination, key.port ?? port, protocol),
        probed: { ...probed, flow },
      },
    ];
  });
  return { flows, controls: planned?.controls ?? [] };
}

/** The server that a flow's destination, or a control, is. */
export function serverOf(destination: string, port: number, protocol: "tcp" | "udp"): string {
  return `${destination} ${port} ${protocol}`;
}

/**
 * At most so many flows, the same for the same flows in whatever order: one for each group first, those of few groups before others, since a
 * flow that several agents decide tells of the fastest. `missed` are groups that no chosen flow is of.
 */
export function chooseFlows<Flow extends Pick<ChangedFlow, "flow" | "groups">>(
  flows: readonly Flow[],
  most: number,
): { chosen: Flow[]; missed: string[] } {
  const sorted = flows.toSorted(
    (a, b) => a.groups.length - b.groups.length || (a.flow < b.flow ? -1 : Number(a.flow > b.flow)),
  );
  const covered = new Set<string>();
  const chosen = new Set<Flow>();
  for (const flow of sorted) {
    if (chosen.size >= most) break;
    if (flow.groups.every((group) => covered.has(group))) continue;
    chosen.add(flow);
    for (const group of flow.groups) covered.add(group);
  }
  for (const flow of sorted) if (chosen.size < most) chosen.add(flow);
  const missed = new Set(sorted.flatMap(({ groups }) => groups.filter((group) => !covered.has(group))));
  return { chosen: sorted.filter((flow) => chosen.has(flow)), missed: [...missed].toSorted() };
}
