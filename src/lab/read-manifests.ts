import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { isAdminPolicy } from "../kube/admin-policy-types.ts";
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

/**
 * Reports objects in a namespace that exists neither in every cluster nor in a manifest read so far: applying them would
 * fail. What an unreadable file declares is unknown, so then nothing is reported.
 */
function checkNamespaces(objects: readonly ManifestObject[], files: ManifestFiles, list: ProblemList): void {
  if (files.hasUnreadable) return;
  for (const item of objects) {
    const { object } = item;
    const { name, namespace } = object.metadata;
    if (namespace === undefined || BUILT_IN_NAMESPACES.includes(namespace) || files.namespaces.has(namespace)) continue;
    const hint =
      didYouMean(namespace, files.namespaces) ?? `add a Namespace ${namespace} to this manifest or to an earlier step`;
    const message = `${object.kind} ${name} is in namespace ${namespace}, which nothing creates`;
    list.problems.push(new LabError("MANIFEST_NAMESPACE_NOT_FOUND", message, { hint, span: item.nameSpan }));
  }
}

/** Reads the steps that the schema finds right, with the objects of their manifests. Problems go to the two lists. */
export async function readSteps(
  entries: readonly Entry[],
  registries: LabRegistries,
  files: ManifestFiles,
  list: ProblemList,
): Promise<ReadStep[]> {
  const steps: ReadStep[] = [];
  for (const entry of entries) {
    const kind = registries.scenarios[entry.kind] as ScenarioKind;
    const options = kind.options.safeParse(entry.fields[entry.kind]);
    if (!options.success) continue;
    const place = [...entry.path, entry.kind];
    const objects = await readObjects(kind.manifests(options.data), place, files, list);
    checkNamespaces(objects, files, list);
    steps.push({
      entry,
      step: {
        kind: entry.kind,
        options: options.data,
        objects: objects.map(planned),
        span: list.document.keySpan(place),
      },
    });
  }
  return steps;
}

/** Objects of a task's `solution`, one file or a list of files. */
export async function readSolution(
  solution: unknown,
  place: YamlPath,
  files: ManifestFiles,
  list: ProblemList,
): Promise<PlannedObject[]> {
  const names = (Array.isArray(solution) ? solution : [solution]).filter(
    (name): name is string => typeof name === "string",
  );
  const objects = await readObjects(names, place, files, list);
  checkNamespaces(objects, files, list);
  return objects.map(planned);
}

/** The objects of several files, none twice. */
async function readObjects(
  names: readonly string[],
  place: YamlPath,
  files: ManifestFiles,
  list: ProblemList,
): Promise<ManifestObject[]> {
  const objects: ManifestObject[] = [];
  const firsts = new Map<string, ManifestObject>();
  for (const name of names) {
    const [where] = list.document.findScalars(place, (text) => text === name);
    for (const item of await files.read(name, list.document.span(where ?? place))) {
      const key = objectKey(item.object);
      const first = firsts.get(key);
      if (first === undefined) {
        firsts.set(key, item);
        objects.push(item);
      } else {
        const message = `${item.object.kind} ${item.object.metadata.name} is already given at ${first.nameSpan.file}:${first.nameSpan.line}`;
        list.problems.push(
          new LabError("MANIFEST_DUPLICATE_OBJECT", message, { hint: "keep one of them", span: item.nameSpan }),
        );
      }
    }
  }
  return objects;
}

function planned({ object, file, line, spanAt }: ManifestObject): PlannedObject {
  return { object, file, line, ...(isAdminPolicy(object) ? { kindSpan: spanAt(["kind"]) } : {}) };
}
