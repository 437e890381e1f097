import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { TRAEFIK_NAME, TRAEFIK_NAMESPACE } from "../kube/traefik.ts";
import type { AddOn, EndpointRef, PlannedObject } from "../plan/types.ts";
import type { ProbeKind } from "../probes/types.ts";
import type { ScenarioKind } from "../scenarios/types.ts";
import type { LabToCheck } from "./check.ts";
import type { ProblemList } from "./problems.ts";
import { formatEndpointRef, parseEndpointRef } from "./refs.ts";
import type { LabRegistries } from "./registries.ts";

/** Objects of every cluster that a lab may name without creating them. */
const BUILT_IN = ["default/service/kubernetes", "kube-system/service/kube-dns", "kube-system/deployment/coredns"];

/** The same of an add-on that the lab asks for. */
const OF_ADD_ONS: Partial<Record<AddOn, readonly string[]>> = {
  traefik: ["service", "deployment"].map((kind) => `${TRAEFIK_NAMESPACE}/${kind}/${TRAEFIK_NAME}`),
};

/** Kinds whose pods get names that begin with theirs. */
const POD_MAKERS = ["deployment", "replicaset", "statefulset", "daemonset"];

/** Reports references to nodes that the topology lacks and to objects that neither scenario nor solution creates. */
export function checkReferences(
  { lab, steps, probes, knowsAllObjects, isTopologyKnown }: LabToCheck,
  registries: LabRegistries,
  list: ProblemList,
): void {
  const objects = [...lab.scenario.flatMap((step) => step.objects), ...lab.tasks.flatMap((task) => task.solution)];
  const addOns = (lab.realCluster?.addOns ?? []).flatMap((name) => OF_ADD_ONS[name] ?? []);
  const known = knownReferences(objects, addOns);
  const nodes = lab.topology.nodes.map(({ name }) => name);
  const check = (ref: EndpointRef, place: YamlPath): void => {
    if (ref.kind === "node") {
      if (isTopologyKnown && !nodes.includes(ref.name))
        report(list, ref, place, `no node is called ${ref.name}`, didYouMean(ref.name, nodes));
    } else if (knowsAllObjects && !exists(ref, known)) {
      const text = formatEndpointRef(ref);
      const own = [...known].filter((name) => !BUILT_IN.includes(name));
      report(list, ref, place, `nothing in this lab creates ${text}`, didYouMean(text, own));
    }
  };
  for (const { entry, step } of steps) {
    const kind = registries.scenarios[step.kind] as ScenarioKind;
    for (const ref of kind.references(step.options)) check(ref, [...entry.path, entry.kind]);
  }
  for (const { entry, lifted, probe } of probes) {
    const kind = registries.probes[probe.kind] as ProbeKind;
    if (probe.from !== undefined) check(probe.from, lifted.fromPath);
    for (const ref of kind.references(probe.options)) check(ref, [...entry.path, entry.kind]);
  }
}

/** References by which the objects can be named, those of pods that carry a name of their own included. */
function knownReferences(objects: readonly PlannedObject[], addOns: readonly string[]): Set<string> {
  const known = new Set([...BUILT_IN, ...addOns]);
  for (const { object } of objects) {
    const { namespace, name } = object.metadata;
    if (namespace === undefined) continue;
    const kind = object.kind.toLowerCase();
    if (kind === "pod") known.add(`${namespace}/${name}`);
    else if (kind === "service" || POD_MAKERS.includes(kind)) known.add(`${namespace}/${kind}/${name}`);
  }
  return known;
}

function exists(ref: EndpointRef, known: ReadonlySet<string>): boolean {
  if (ref.kind !== "pod" && ref.kind !== "workload" && ref.kind !== "service") return true;
  if (known.has(formatEndpointRef(ref))) return true;
  if (ref.kind === "workload") {
    // A Deployment's ReplicaSet has a name that only the controller knows.
    return ref.workload === "replicaset" && ownerOf(ref.namespace, ref.name, known);
  }
  return ref.kind === "pod" && ownerOf(ref.namespace, ref.name, known);
}

function ownerOf(namespace: string, name: string, known: ReadonlySet<string>): boolean {
  return [...known].some((text) => {
    const [knownNamespace, kind, owner] = text.split("/");
    return (
      knownNamespace === namespace &&
      owner !== undefined &&
      POD_MAKERS.includes(kind ?? "") &&
      name.startsWith(`${owner}-`)
    );
  });
}

function report(list: ProblemList, ref: EndpointRef, place: YamlPath, message: string, hint: string | undefined): void {
  const { document } = list;
  const [where] = [
    ...document.findScalars(place, (text) => isSameReference(text, ref)),
    ...document.findScalars(place, (text) => "name" in ref && (text === ref.name || text.endsWith(`/${ref.name}`))),
  ];
  const span = where === undefined ? document.keySpan(place) : document.span(where);
  list.problems.push(new LabError("LAB_REF_NOT_FOUND", message, { hint, span }));
}

function isSameReference(text: string, ref: EndpointRef): boolean {
  try {
    return formatEndpointRef(parseEndpointRef(text)) === formatEndpointRef(ref);
  } catch (error) {
    if (error instanceof LabError) return false;
    throw error;
  }
}
