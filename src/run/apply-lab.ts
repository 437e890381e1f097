import { readFileSync } from "node:fs";
import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { parseYaml } from "../core/yaml-source.ts";
import { checkManifest } from "../kube/manifest-check.ts";
import type { Plan, PlannedObject } from "../plan/types.ts";
import { enforcedWithin } from "../lab/enforced-within.ts";
import type { ApplyResult, ObjectRef } from "../providers/types.ts";
import type { RunContext } from "./context.ts";
import { shownPath } from "../core/shown-path.ts";
import { PhaseRunner } from "./phases.ts";
import { probeAndJudge } from "./probing.ts";
import { withRunningLab } from "./running-lab.ts";
import { untilReady } from "./scenario.ts";
import { watchEnforcement } from "./watch-enforcement.ts";
import { isRepeated, isTimed } from "./timed-probes.ts";

export interface ApplyRequest {
  lab: string;
  /** Manifest files; `-` is standard input. */
  files: string[];
  isDelete: boolean;
}

/** What became of one object. */
export interface ObjectChange extends ObjectRef {
  action: ApplyResult["action"] | "deleted" | "absent";
}

/**
 * Applies or deletes the objects of manifests, all or none; resolves when the change is in effect. What answers then is
 * kept as a control for later grades. Throws LabProblems with everything that is wrong with the manifests.
 */
export async function applyLab(request: ApplyRequest, context: RunContext): Promise<ObjectChange[]> {
  const phases = new PhaseRunner(context);
  return withRunningLab(request.lab, context, async ({ record, cluster }) => {
    const { plan } = record;
    const lab = { plan, record, cluster };
    const { objects, warnings } = readManifests(request.files, plan);
    for (const warning of warnings) context.emit({ type: "warning", warning });
    const changes = await phases.run("scenario", request.isDelete ? "delete objects" : "apply objects", async () => {
      if (request.isDelete) {
        const refs = objects.map(({ object }) => refOf(object));
        const present = new Set((await cluster.list()).map((object) => idOf(refOf(object))));
        await watchEnforcement(lab, { apply: [], delete: refs }, context, () => cluster.delete(refs));
        await untilReady([], cluster, context.signal);
        return refs.map((ref): ObjectChange => ({ ...ref, action: present.has(idOf(ref)) ? "deleted" : "absent" }));
      }
      const apply = objects.map(({ object }) => object);
      const results = await watchEnforcement(lab, { apply, delete: [] }, context, () => cluster.apply(apply));
      for (const warning of results.flatMap((result) => result.warnings)) context.emit({ type: "warning", warning });
      await untilReady(objects, cluster, context.signal);
      return results.map(({ ref, action }): ObjectChange => ({ ...ref, action }));
    });
    const probes = plan.probes.filter(
      (probe) =>
        probe.kind !== "iperf" && !isTimed(probe) && !isRepeated(probe) && enforcedWithin(probe.expect) === undefined,
    );
    const { controls } = await phases.run("baseline", "see what answers", () =>
      probeAndJudge({ plan, cluster, probes, tasks: [], controls: record.controls, phase: "baseline" }, context),
    );
    record.controls = controls;
    return changes;
  });
}

/** The objects of manifests, checked; `-` is standard input. Throws LabProblems with everything that is wrong, and MANIFEST_EMPTY. */
export function readManifests(files: string[], plan: Plan): { objects: PlannedObject[]; warnings: LabWarning[] } {
  const problems: LabError[] = [];
  const warnings: LabWarning[] = [];
  const objects: PlannedObject[] = [];
  for (const file of files) {
    let text: string;
    try {
      text = readFileSync(file === "-" ? 0 : file, "utf8");
    } catch (cause) {
      problems.push(new LabError("MANIFEST_UNREADABLE", `cannot read ${file}: ${(cause as Error).message}`, { cause }));
      continue;
    }
    const parsed = parseYaml(text, file === "-" ? "standard input" : shownPath(file));
    const checked = checkManifest(parsed.documents, networkOf(plan));
    problems.push(...parsed.problems, ...checked.problems);
    warnings.push(...checked.warnings);
    objects.push(...checked.objects);
  }
  if (problems.length > 0) throw new LabProblems(problems);
  if (objects.length === 0) throw new LabError("MANIFEST_EMPTY", `there is no object in ${files.join(", ")}`);
  return { objects, warnings };
}

function networkOf({ cluster: { serviceCidrs, dnsAddress } }: Plan): { serviceCidrs: string[]; dnsAddress: string } {
  return { serviceCidrs, dnsAddress };
}

export function refOf({ kind, metadata }: Pick<PlannedObject["object"], "kind" | "metadata">): ObjectRef {
  return { kind, name: metadata.name, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) };
}

export function idOf({ kind, namespace, name }: ObjectRef): string {
  return JSON.stringify([kind, namespace, name]);
}
