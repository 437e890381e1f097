import { parseYaml } from "../core/yaml-source.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { isAdminPolicy } from "../kube/admin-policy-types.ts";
import type { KubeObject, NetworkPolicy, Service } from "../kube/types.ts";
import type { Plan, PlannedObject } from "../plan/types.ts";
import type { MutantChange, TestedMutant } from "../report/test-types.ts";
import { adminPolicyMutants } from "./admin-policy-mutants.ts";
import { differingPaths, orderedJson, sameJson, valueAt, withValue, without } from "./object-edits.ts";
import { policyMutants } from "./policy-mutants.ts";
import { type DeletedRefs, keyOf, namespaceOf, referenceObjects } from "./reference-objects.ts";
import { serviceMutants } from "./service-mutants.ts";

/** An object with one thing changed, and the path of what was changed, which may be missing in the manifest. */
export interface ObjectMutant {
  change: MutantChange;
  what: string;
  path: YamlPath;
  object: KubeObject;
}

/** A reference solution with one thing wrong. */
export interface Mutant extends Pick<TestedMutant, "change" | "what" | "kind" | "name" | "file" | "line"> {
  /** The field that is changed; empty where it is the whole object. */
  path: YamlPath;
  /** The object as the solution has it. */
  original: KubeObject;
  /** As the mutant has it; undefined where it is left out. */
  object: KubeObject | undefined;
  /** Every object of the solution, this one changed or left out. */
  solution: readonly PlannedObject[];
}

/** What mutants are made from. */
export interface MutantSource {
  plan: Plan;
  deletedRefs: DeletedRefs;
  /** Text of a manifest, for the lines of fields; undefined where it cannot be read. */
  readText(file: string): string | undefined;
}

/** The objects of all tasks' solutions, each once: as the last task has it. */
export function solutionObjects({ tasks }: Pick<Plan, "tasks">): PlannedObject[] {
  const objects = new Map<string, PlannedObject>();
  for (const { solution } of tasks) for (const planned of solution) objects.set(keyOf(planned.object), planned);
  return [...objects.values()];
}

/** What the untouched lab has of the same names, by {@link keyOf}. */
export function untouchedObjects({
  plan,
  deletedRefs,
}: Pick<MutantSource, "plan" | "deletedRefs">): Map<string, KubeObject> {
  const objects = referenceObjects({ ...plan, tasks: [] }, deletedRefs);
  return new Map(objects.map(({ object }) => [keyOf(object), object]));
}

/**
 * Every mutant of the plan's reference solution, those that would be the same once: each object left out; of policies and
 * Services each field that decides something changed; of objects that the untouched lab has, each field put back.
 */
export function mutantsOf(source: MutantSource): Mutant[] {
  const objects = solutionObjects(source.plan);
  const untouched = untouchedObjects(source);
  return objects.flatMap((planned, index) => {
    const { object } = planned;
    const before = untouched.get(keyOf(object));
    const place = placesOf(planned, source.readText(planned.file));
    const seen = new Set([orderedJson(object)]);
    const made: Mutant[] = [];
    const add = ({ change, what, path }: Omit<ObjectMutant, "object">, changed: KubeObject | undefined): void => {
      const key = changed === undefined ? "" : orderedJson(changed);
      if (seen.has(key)) return;
      seen.add(key);
      const solution = objects.toSpliced(index, 1, ...(changed === undefined ? [] : [{ ...planned, object: changed }]));
      const namespace = isClusterWide(object) ? "" : `${namespaceOf(object)}/`;
      made.push({
        change,
        what,
        kind: object.kind,
        name: `${namespace}${object.metadata.name}`,
        file: planned.file,
        line: place(path),
        path,
        original: object,
        object: changed,
        solution,
      });
    };
    add({ change: "left out", what: "left out", path: [] }, before);
    for (const mutant of [...putBack(object, before), ...ofKind(object)]) add(mutant, mutant.object);
    return made;
  });
}

function ofKind(object: KubeObject): ObjectMutant[] {
  if (object.kind === "NetworkPolicy") return policyMutants(object as NetworkPolicy);
  if (isAdminPolicy(object)) return adminPolicyMutants(object);
  if (object.kind === "Service") return serviceMutants(object as Service);
  return [];
}

/** Each field that the solution changes of an object that was there, as it was. */
function putBack(object: KubeObject, before: KubeObject | undefined): ObjectMutant[] {
  if (before === undefined) return [];
  return differingPaths(before, object).map((path) => {
    const was = valueAt(before, path);
    const name = path.join(".");
    return was === undefined
      ? { change: "put back", what: `${name} left out`, path, object: without(object, path) }
      : { change: "put back", what: `${name} as it was`, path, object: withParents(object, before, path) };
  });
}

/** The value that was at the path, with those of its parents that the object no longer has. */
function withParents(object: KubeObject, before: KubeObject, path: YamlPath): KubeObject {
  const length = path.findIndex((_key, depth) => valueAt(object, path.slice(0, depth + 1)) === undefined);
  const known = length < 0 ? path : path.slice(0, length + 1);
  return withValue(object, known, valueAt(before, known));
}

/** The line of a field in the manifest; where the object cannot be found in it, the object's first. */
function placesOf({ object, file, line }: PlannedObject, text: string | undefined): (path: YamlPath) => number {
  const documents = text === undefined ? [] : parseYaml(text, file).documents;
  const document = documents.find(({ value }) => sameJson(value, object));
  return (path) => (document === undefined || path.length === 0 ? line : document.span(path).line);
}

function isClusterWide(object: KubeObject): boolean {
  return object.kind === "Namespace" || isAdminPolicy(object);
}
