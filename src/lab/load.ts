import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { sortProblems } from "../core/format-error.ts";
import type { YamlDocument } from "../core/yaml-document.ts";
import { isMapping, parseYaml } from "../core/yaml-source.ts";
import { checkLab } from "./check.ts";
import { parseWith } from "./issues.ts";
import { readPlainFile, isMissing, ManifestFiles } from "./manifest-files.ts";
import { describe } from "./issues.ts";
import { readKinds, type Entry } from "./entries.ts";
import { ProblemList } from "./problems.ts";
import { defaultProbeName, liftFrom, readProbe, type LiftedProbe } from "./read-entries.ts";
import { readClusterNetwork } from "./cluster.ts";
import { readStepsAndSolutions } from "./read-manifests.ts";
import type { LabRegistries } from "./registries.ts";
import { labSchema, PROBE_FIELDS, type LabInput } from "./schema.ts";
import { readTopology, resolveTopology, TOPOLOGIES_DIRECTORY } from "./topology.ts";
import type { Lab } from "./types.ts";
import type { PlannedProbe, PlannedTopology } from "../plan/types.ts";

/** Where to look; the defaults suit everyone but tests. */
export interface LoadOptions {
  topologiesDirectory?: string;
}

/** A lab that may be planned, and what its author should know. */
export interface LoadedLab {
  lab: Lab;
  warnings: LabWarning[];
}

/** Beyond this many, the first ones are to be mended first. */
const MAX_PROBLEMS = 100;

/**
 * Reads and checks a lab file (or the lab.yaml of a folder) and every manifest it names. Throws LabProblems with
 * everything that is wrong, in file order. Reads files below the lab's folder only, and changes nothing.
 */
export async function loadLab(target: string, registries: LabRegistries, options: LoadOptions = {}): Promise<LoadedLab> {
  const file = await findLabFile(target);
  const document = await readDocument(file);
  const list = new ProblemList(document);
  const raw = document.value as Record<string, unknown>;
  const { input, probes, steps, fromPaths } = prepare(raw, registries, list);
  const parsed = parseWith(labSchema(registries), input, document, {
    inFile: (at) => (at[0] === "probes" && at[2] === "from" ? (fromPaths.get(at[1] as number) ?? at) : at),
  });
  list.problems.push(...parsed.problems);

  const cluster = readClusterNetwork(input["cluster"], list);
  const directory = await realpath(path.dirname(file));
  const files = new ManifestFiles(directory, path.dirname(file), cluster === undefined ? {} : { serviceCidr: cluster.serviceCidrs[0] as string, dnsAddress: cluster.dnsAddress });
  const { scenario, tasks, isComplete } = await readStepsAndSolutions(steps, input["tasks"], registries, files, list);
  const planned = probes.map((entry) =>
    entry === undefined ? undefined : readProbe(entry.entry, entry.lifted, registries.probes[entry.entry.kind] as LabRegistries["probes"][string], list),
  );
  const topology = parsed.value === undefined ? undefined : readLabTopology(parsed.value, list, options);

  if (parsed.value !== undefined && topology !== undefined && cluster !== undefined) {
    const lab: Lab = {
      file,
      directory,
      ...metadataOf(parsed.value),
      topology,
      topologySpan: document.span(["topology"]),
      cni: cniOf(parsed.value, document),
      cnis: parsed.value.cnis?.map((claim) => (typeof claim === "string" ? { name: claim } : claim)),
      providers: parsed.value.providers,
      cluster,
      scenario,
      probes: nameProbes(planned, probes),
      tasks,
    };
    checkLab(lab, registries, list, { probePaths: probes.map((entry) => entry?.entry), stepEntries: steps, isComplete });
    if (list.problems.length === 0 && files.problems.length === 0) {
      return { lab, warnings: sortProblems([...list.warnings, ...files.warnings]) };
    }
  }
  throw problemsOf([...list.problems, ...files.problems]);
}
