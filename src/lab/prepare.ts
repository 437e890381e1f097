import type { YamlPath } from "../core/yaml-document.ts";
import { isMapping } from "../core/yaml-source.ts";
import type { PlannedProbe } from "../plan/types.ts";
import type { ProbeKind } from "../probes/types.ts";
import { readKinds, type Entry } from "./entries.ts";
import type { PathInFile } from "./issues.ts";
import type { ProblemList } from "./problems.ts";
import { liftFrom, type LiftedProbe } from "./read-entries.ts";
import type { LabRegistries } from "./registries.ts";
import { PROBE_FIELDS } from "./schema.ts";

/** A probe whose kind is known. */
export interface ProbeEntry {
  entry: Entry;
  lifted: LiftedProbe;
}

/** A probe that was found right, with its place in the lab. */
export interface ReadProbe extends ProbeEntry {
  probe: PlannedProbe;
}

/** A lab file's value, arranged for its schema. */
export interface PreparedLab {
  /** Like the file, but with `from` beside a probe's kind and without what is reported already. */
  input: Readonly<Record<string, unknown>>;
  inFile: PathInFile;
  steps: Entry[];
  probes: ProbeEntry[];
  /** False where a step has no known kind, so that nobody can say what the scenario creates. */
  hasAllSteps: boolean;
}

/** Finds the kind of every step and probe, reports where there is none, and arranges the rest for the schema. */
export function prepareLab(
  raw: Readonly<Record<string, unknown>>,
  registries: LabRegistries,
  problems: ProblemList,
): PreparedLab {
  const stepSort = {
    noun: "step",
    unknownCode: "LAB_UNKNOWN_STEP",
    kinds: Object.keys(registries.scenarios),
    fields: [],
  };
  const probeSort = {
    noun: "probe",
    unknownCode: "LAB_UNKNOWN_PROBE",
    kinds: Object.keys(registries.probes),
    fields: PROBE_FIELDS,
  };
  const steps = readKinds(raw["scenario"], ["scenario"], stepSort, problems);
  const probes = readKinds(raw["probes"], ["probes"], probeSort, problems);
  const fromPaths = new Map<number, YamlPath>();
  const lifted = probes.entries.map((entry, index): ProbeEntry | undefined => {
    if (entry === undefined) return undefined;
    const probe = liftFrom(entry, registries.probes[entry.kind] as ProbeKind, problems);
    fromPaths.set(index, probe.fromPath);
    return { entry, lifted: probe };
  });
  const isThere = <T>(item: T | undefined): item is T => item !== undefined;
  const input = { ...raw };
  if (Array.isArray(raw["scenario"])) {
    input["scenario"] = raw["scenario"].map((item: unknown, index) =>
      withoutReported(item, ["scenario", index], steps.reportedKeys),
    );
  }
  if (Array.isArray(raw["probes"])) {
    input["probes"] = raw["probes"].map(
      (item: unknown, index) =>
        lifted[index]?.lifted.fields ?? withoutReported(item, ["probes", index], probes.reportedKeys),
    );
  }
  return {
    input,
    inFile: (path) => (path[0] === "probes" && path[2] === "from" ? (fromPaths.get(path[1] as number) ?? path) : path),
    steps: steps.entries.filter(isThere),
    probes: lifted.filter(isThere),
    hasAllSteps: steps.entries.every(isThere),
  };
}

function withoutReported(item: unknown, path: YamlPath, reportedKeys: ReadonlySet<string>): unknown {
  if (!isMapping(item)) return item;
  return Object.fromEntries(Object.entries(item).filter(([key]) => !reportedKeys.has(JSON.stringify([...path, key]))));
}
