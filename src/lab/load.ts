import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { sortProblems } from "../core/format-error.ts";
import { shorten } from "../core/shorten.ts";
import type { YamlDocument } from "../core/yaml-document.ts";
import { isMapping } from "../core/yaml-source.ts";
import type { PlannedHint, PlannedTask, PlannedTopology } from "../plan/types.ts";
import type { ProbeKind } from "../probes/types.ts";
import { checkLab } from "./check.ts";
import { ipFamilyOf, readCluster } from "./cluster.ts";
import { withIpv6 } from "./families.ts";
import { describe } from "./issue-words.ts";
import { parseWith } from "./issues.ts";
import { isMissing, ManifestFiles } from "./manifest-files.ts";
import { prepareLab, type ProbeEntry, type ReadProbe } from "./prepare.ts";
import { ProblemList } from "./problems.ts";
import { defaultProbeName, readProbe } from "./read-entries.ts";
import { problemsOf, readDocument } from "./read-document.ts";
import { readSolution, readSteps } from "./read-manifests.ts";
import { readRealCluster } from "./real-cluster.ts";
import type { LabRegistries } from "./registries.ts";
import { DEFAULT_TOPOLOGY, labSchema, type LabInput } from "./schema.ts";
import { readTopology, resolveTopology, TOPOLOGIES_DIRECTORY } from "./topology.ts";
import type { Lab, LabCni } from "./types.ts";

/** Where to look; the defaults suit everyone but tests. */
export interface LoadOptions {
  topologiesDirectory?: string;
}

/** A lab that may be planned, and what its author should know. */
export interface LoadedLab {
  lab: Lab;
  warnings: LabWarning[];
}

/**
 * Reads and checks a lab file (or the lab.yaml of a folder) and every manifest it names. Throws LabProblems with
 * everything that is wrong, in file order. Reads files below the lab's folder only, and changes nothing.
 */
export async function loadLab(
  target: string,
  registries: LabRegistries,
  options: LoadOptions = {},
): Promise<LoadedLab> {
  const file = await findLabFile(target);
  const document = await readDocument(file, "lab");
  const list = new ProblemList(document);
  const { input, inFile, steps, probes, hasAllSteps } = prepareLab(
    document.value as Record<string, unknown>,
    registries,
    list,
  );
  const parsed = parseWith(labSchema(registries), input, document, { inFile });
  list.problems.push(...parsed.problems);

  const cluster = readCluster(input["cluster"], list);
  const directory = await realpath(path.dirname(file));
  const network = cluster === undefined ? {} : { serviceCidrs: cluster.serviceCidrs, dnsAddress: cluster.dnsAddress };
  const files = new ManifestFiles(directory, path.dirname(file), network);
  const scenario = await readSteps(steps, registries, files, list);
  const tasks = await readTasks(input["tasks"], files, list);
  const planned = readProbes(probes, registries, list);
  const ipFamily = ipFamilyOf(input["cluster"]);
  const ipv4Topology = topologyOf(input["topology"], parsed.value?.topology, list, options);
  const topology = ipv4Topology === undefined || ipFamily === "ipv4" ? ipv4Topology : withIpv6(ipv4Topology);

  if (parsed.value !== undefined) {
    const { metadata, cnis, providers, timeLimit: limitMs, afterLimit } = parsed.value;
    if (afterLimit !== undefined && limitMs === undefined)
      list.errorAtKey(
        "LAB_NO_TIME_LIMIT",
        ["afterLimit"],
        "afterLimit needs a timeLimit",
        "add timeLimit, such as 30m",
      );
    const realCluster = readRealCluster(parsed.value.cluster, topology, list);
    const lab: Lab = {
      file,
      directory,
      name: metadata.name,
      title: metadata.title,
      ...(metadata.level === undefined ? {} : { level: metadata.level }),
      ...(metadata.minutes === undefined ? {} : { minutes: metadata.minutes }),
      ...(metadata.description === undefined ? {} : { description: metadata.description }),
      topology: topology ?? { name: "", networks: [], nodes: [] },
      topologySpan: document.span(["topology"]),
      cni: cniOf(parsed.value, document),
      cnis: cnis?.map((claim) => (typeof claim === "string" ? { name: claim } : claim)),
      providers,
      ...(limitMs === undefined ? {} : { timeLimit: { limitMs, afterLimit: afterLimit ?? "nothing" } }),
      ipFamily,
      cluster: cluster ?? { serviceCidrs: [], dnsAddress: "", dnsDomain: "" },
      ...(realCluster === undefined ? {} : { realCluster }),
      scenario: scenario.map(({ step }) => step),
      probes: planned.map(({ probe }) => probe),
      tasks,
    };
    const knowsAllObjects = hasAllSteps && scenario.length === steps.length && files.problems.length === 0;
    const isKnown = { isTopologyKnown: topology !== undefined, isClusterKnown: cluster !== undefined, knowsAllObjects };
    checkLab({ lab, steps: scenario, probes: planned, ...isKnown }, registries, list);
    if (list.problems.length === 0 && files.problems.length === 0) {
      return { lab, warnings: sortProblems([...list.warnings, ...files.warnings]) };
    }
  }
  // A lab's own problems come first; what its manifests lack follows file by file.
  const own = list.problems.filter(({ span }) => span?.file === file);
  const others = [...list.problems.filter(({ span }) => span?.file !== file), ...files.problems];
  throw problemsOf(sortProblems([...own, ...others]).map(readable));
}

/** With names and values that are nobody's to read cut down, wherever the problem was found. */
function readable(problem: LabError): LabError {
  const { code, message, hint, span, cause } = problem;
  const isShort = shorten(message) === message && (hint === undefined || shorten(hint) === hint);
  return isShort ? problem : new LabError(code, shorten(message), { hint: hint && shorten(hint), span, cause });
}

function readProbes(entries: readonly ProbeEntry[], registries: LabRegistries, list: ProblemList): ReadProbe[] {
  const seen = new Map<string, number>();
  return entries.flatMap(({ entry, lifted }): ReadProbe[] => {
    const probe = readProbe(entry, lifted, registries.probes[entry.kind] as ProbeKind, list);
    if (probe === undefined) return [];
    if (probe.name !== "") return [{ entry, lifted, probe }];
    const name = defaultProbeName(entry.kind, lifted.fields);
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return [{ entry, lifted, probe: { ...probe, name: count === 1 ? name : `${name} (${count})` } }];
  });
}

async function readTasks(raw: unknown, files: ManifestFiles, list: ProblemList): Promise<PlannedTask[]> {
  const tasks: PlannedTask[] = [];
  for (const [index, task] of (Array.isArray(raw) ? raw : []).entries()) {
    if (!isMapping(task)) continue;
    const path = ["tasks", index];
    const solution = await readSolution(task["solution"], [...path, "solution"], files, list);
    const probes = Array.isArray(task["probes"])
      ? task["probes"].filter((name): name is string => typeof name === "string")
      : [];
    tasks.push({
      name: typeof task["name"] === "string" ? task["name"].trim() : `task-${index + 1}`,
      text: String(task["text"]).trim(),
      ...(task["bonus"] === true ? { isBonus: true } : {}),
      probes,
      ...(Array.isArray(task["hints"]) ? { hints: readHints(task["hints"]) } : {}),
      solution,
      span: list.document.span([...path, "text"]),
    });
  }
  return tasks;
}

/** What the schema refuses is never planned. */
function readHints(raw: readonly unknown[]): PlannedHint[] {
  return raw.map((hint) =>
    isMapping(hint)
      ? { text: String(hint["text"]).trim(), cost: Number(hint["cost"] ?? 0) }
      : { text: String(hint).trim(), cost: 0 },
  );
}

/** A topology named in the lab is looked up whatever else is wrong; an inline one must have passed the schema. */
function topologyOf(
  raw: unknown,
  parsed: LabInput["topology"] | undefined,
  list: ProblemList,
  options: LoadOptions,
): PlannedTopology | undefined {
  const topology = parsed ?? raw ?? DEFAULT_TOPOLOGY;
  if (typeof topology === "string")
    return readTopology(topology, ["topology"], list, options.topologiesDirectory ?? TOPOLOGIES_DIRECTORY);
  return parsed === undefined || typeof parsed === "string"
    ? undefined
    : resolveTopology("inline", parsed, ["topology"], list);
}

function cniOf({ cni }: LabInput, document: YamlDocument): LabCni {
  if (typeof cni === "string") return { name: cni, options: {}, span: document.span(["cni"]) };
  return { ...cni, span: document.span(["cni", "name"]) };
}

async function findLabFile(target: string): Promise<string> {
  const missing = (what: string): LabProblems =>
    new LabProblems([
      new LabError("LAB_FILE_NOT_FOUND", what, { hint: "name a lab file, or a folder with a lab.yaml in it" }),
    ]);
  const isFolder = async (file: string): Promise<boolean> => {
    try {
      return (await stat(file)).isDirectory();
    } catch (error) {
      if (isMissing(error)) throw missing(`there is no ${describe(file)}`);
      throw error;
    }
  };
  if (!(await isFolder(target))) return target;
  const file = path.join(target, "lab.yaml");
  await isFolder(file);
  return file;
}
