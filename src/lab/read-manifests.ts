import { LabError, type Span } from "../core/errors.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import type { ManifestObject } from "../kube/manifest-check.ts";
import { objectKey } from "../kube/names.ts";
import type { PlannedObject, PlannedStep } from "../plan/types.ts";
import type { ScenarioKind } from "../scenarios/types.ts";
import type { Entry } from "./entries.ts";
import type { ManifestFiles } from "./manifest-files.ts";
import type { ProblemList } from "./problems.ts";
import type { LabRegistries } from "./registries.ts";

/** Namespaces that every cluster has. */
const BUILT_IN_NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** A step with its place in the lab. */
export interface ReadStep {
  entry: Entry;
  step: PlannedStep;
}

/** Namespaces that exist at some point of the scenario. */
export class KnownNamespaces {
  readonly #names: Set<string>;

  constructor(names: Iterable<string> = BUILT_IN_NAMESPACES) {
    this.#names = new Set(names);
  }

  copy(): KnownNamespaces {
    return new KnownNamespaces(this.#names);
  }

  /** Adds the namespaces among the objects, then reports objects in a namespace that nothing creates. */
  check(objects: readonly ManifestObject[], report: (problem: LabError) => void): void {
    for (const { object } of objects) if (object.kind === "Namespace") this.#names.add(object.metadata.name);
    for (const { object, nameSpan } of objects) {
      const { name, namespace } = object.metadata;
      // The scope of kinds that are not interpreted is unknown without their namespace.
      if (namespace === undefined || this.#names.has(namespace)) continue;
      const hint = `add a Namespace ${namespace} to this manifest or to an earlier step`;
      report(new LabError("MANIFEST_NAMESPACE_NOT_FOUND", `${object.kind} ${name} is in namespace ${namespace}, which nothing creates`, { hint, span: nameSpan }));
    }
  }
}

/** Reads the steps that the schema finds right, with the objects of their manifests. Problems go to the two lists. */
export async function readSteps(
  entries: readonly Entry[],
  registries: LabRegistries,
  files: ManifestFiles,
  namespaces: KnownNamespaces,
  list: ProblemList,
): Promise<ReadStep[]> {
  const steps: ReadStep[] = [];
  for (const entry of entries) {
    const kind = registries.scenarios[entry.kind] as ScenarioKind;
    const options = kind.options.safeParse(entry.fields[entry.kind]);
    if (!options.success) continue;
    const place = [...entry.path, entry.kind];
    const objects = await readObjects(kind.manifests(options.data), place, files, list);
    namespaces.check(objects, (problem) => list.problems.push(problem));
    steps.push({ entry, step: { kind: entry.kind, options: options.data, objects: objects.map(planned), span: list.document.keySpan(place) } });
  }
  return steps;
}

/** Objects of a task's `solution`, one file or a list of files. */
export async function readSolution(
  solution: unknown,
  place: YamlPath,
  files: ManifestFiles,
  namespaces: KnownNamespaces,
  list: ProblemList,
): Promise<PlannedObject[]> {
  const names = (Array.isArray(solution) ? solution : [solution]).filter((name): name is string => typeof name === "string");
  const objects = await readObjects(names, place, files, list);
  namespaces.check(objects, (problem) => list.problems.push(problem));
  return objects.map(planned);
}

/** The objects of several files, none twice. */
async function readObjects(names: readonly string[], place: YamlPath, files: ManifestFiles, list: ProblemList): Promise<ManifestObject[]> {
  const objects: ManifestObject[] = [];
  const firsts = new Map<string, Span>();
  for (const name of names) {
    const [where] = list.document.findScalars(place, (text) => text === name);
    for (const item of await files.read(name, list.document.span(where ?? place))) {
      const key = objectKey(item.object);
      const first = firsts.get(key);
      if (first === undefined) {
        firsts.set(key, item.nameSpan);
        objects.push(item);
      } else {
        const message = `${item.object.kind} ${item.object.metadata.name} is already given at ${first.file}:${first.line}`;
        list.problems.push(new LabError("MANIFEST_DUPLICATE_OBJECT", message, { hint: "keep one of them", span: item.nameSpan }));
      }
    }
  }
  return objects;
}

function planned({ object, file, line }: ManifestObject): PlannedObject {
  return { object, file, line };
}
