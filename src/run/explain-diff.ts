import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { readGitFolder } from "../exec/git-tree.ts";
import { FOLDER_LIMITS, isManifestName } from "../lab/manifest-folder.ts";
import type { ClassEnd } from "../policy/classes.ts";
import { createPolicyMatrix, type PortMatrix } from "../policy/matrix.ts";
import { createOracle } from "../policy/oracle.ts";
import type { Oracle, OracleEnd, OracleWorld } from "../policy/types.ts";
import type { ExplainedChange, ExplainedDiff } from "../report/explain-types.ts";
import type { RunContext } from "./context.ts";
import { changeReasons } from "./explain-change.ts";
import { describeSource } from "./explain-lab.ts";
import { endsOf, familyOf, type MatrixPort, type MatrixRequest, nameOfEnd, portsOf } from "./explain-matrix.ts";
import { manifestsAt, type PolicySource, readSource, sourceOf } from "./explain-source.ts";
import { modelWorld, type PolicyModel } from "./explain-world.ts";

/** Two states of policies to compare: `other` is the earlier one. */
export interface DiffRequest extends MatrixRequest {
  /** A folder, a file, a lab, or a commit of the folder's repository. */
  other: string;
}

/** Changes whose reasons are worked out; those of the most pairs first. */
const MAX_EXPLAINED = 300;

/** The cells that change from `other` to `argument`, and why. Throws what readSource throws, and GIT_FAILED, GIT_TOO_LARGE. */
export async function explainDiff(request: DiffRequest, context: RunContext): Promise<ExplainedDiff> {
  const now = await readSource(request, context);
  const before = await readOther(request, context);
  for (const warning of [...before.warnings, ...now.warnings]) context.emit({ type: "warning", warning });
  return diffSources(before, now, request);
}

/** What `--diff` names: something that is there, else a commit of the repository that the manifests are in. */
async function readOther({ argument, other }: DiffRequest, context: RunContext): Promise<PolicySource> {
  if (existsSync(other) || (await manifestsAt(argument)) === undefined)
    return readSource({ argument: other, solved: false }, context);
  const isFolder = statSync(argument).isDirectory();
  const folder = isFolder ? argument : dirname(argument);
  const files = await readGitFolder(folder, other, {
    isWanted: (path) =>
      isFolder
        ? isManifestName(path) && !path.split("/").some((part) => part.startsWith(".") || part === "node_modules")
        : join(folder, path) === join(argument),
    limits: FOLDER_LIMITS,
    signal: context.signal,
  });
  return sourceOf(
    other,
    "revision",
    files.map(({ path, bytes }) => ({ name: `${other}:${join(folder, path)}`, bytes })),
  );
}

/** {@link explainDiff}, of objects that were read. */
export function diffSources(
  before: PolicySource,
  now: PolicySource,
  { ports: named, addresses }: Pick<MatrixRequest, "ports" | "addresses">,
): ExplainedDiff {
  const models = withPods(modelWorld(before), modelWorld(now));
  const [old, fresh] = models;
  const { ends, onlyBefore, onlyNow } = commonEnds(old, fresh, addresses);
  const { ports, portsLeftOut } = portsOf(named, models);
  const family = familyOf(ends.map(([, after]) => after));
  const matrices = [
    createPolicyMatrix(
      old.world,
      ends.map(([end]) => end),
      family,
    ),
    createPolicyMatrix(
      fresh.world,
      ends.map(([, end]) => end),
      family,
    ),
  ] as const;
  const groups = productClasses(ends.length, matrices[0].classOf, matrices[1].classOf);
  const cells = ports.flatMap((port) =>
    changedPairs(groups, matrices[0].on(port.port, port.protocol), matrices[1].on(port.port, port.protocol)).map(
      (cell): ChangedCell => ({ ...cell, port }),
    ),
  );
  const pairs = (change: ChangedCell["change"]): number =>
    cells.reduce((sum, cell) => (cell.change === change ? sum + cell.pairs : sum), 0);
  const names = ends.map(([, end]) => nameOfEnd(end));
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "PolicyDiff",
    source: describeSource(now, fresh),
    other: describeSource(before, old),
    ports,
    portsLeftOut,
    opened: pairs("opened"),
    closed: pairs("closed"),
    podsOnlyBefore: onlyBefore,
    podsOnlyNow: onlyNow,
    ...explainChanges(cells, groups, names, worldsOf(models), ends),
  };
}

/** Policies alone are judged with the pods of the other state. */
function withPods(old: PolicyModel, fresh: PolicyModel): [PolicyModel, PolicyModel] {
  const lend = (to: PolicyModel, from: PolicyModel): PolicyModel => {
    if (to.world.pods.length > 0) return to;
    const known = new Set(to.world.namespaces.map(({ name }) => name));
    const namespaces = [...to.world.namespaces, ...from.world.namespaces.filter(({ name }) => !known.has(name))];
    const { pods, nodes = [] } = from.world;
    return { ...from, world: { ...to.world, namespaces, pods, nodes } };
  };
  return [lend(old, fresh), lend(fresh, old)];
}

type EndPair = readonly [before: ClassEnd, now: ClassEnd];

function commonEnds(
  old: PolicyModel,
  fresh: PolicyModel,
  addresses: readonly string[],
): { ends: EndPair[]; onlyBefore: string[]; onlyNow: string[] } {
  const before = new Map(endsOf(old, []).map((end) => [nameOfEnd(end), end]));
  const now = new Map(endsOf(fresh, []).map((end) => [nameOfEnd(end), end]));
  const ends = [...now].flatMap(([name, end]): EndPair[] => {
    const earlier = before.get(name);
    return earlier === undefined ? [] : [[earlier, end]];
  });
  return {
    ends: [...ends, ...addresses.map((address): EndPair => [{ address }, { address }])],
    onlyBefore: [...before.keys()].filter((name) => !now.has(name)),
    onlyNow: [...now.keys()].filter((name) => !before.has(name)),
  };
}

/** Ends that neither state's policies tell apart. */
function productClasses(count: number, one: Int32Array, two: Int32Array): number[][] {
  const groups = new Map<string, number[]>();
  for (let end = 0; end < count; end++) {
    const key = `${one[end]} ${two[end]}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [end]);
    else group.push(end);
  }
  return [...groups.values()];
}

interface ChangedPair {
  change: "opened" | "closed";
  /** Numbers of groups. */
  from: number;
  to: number;
  /** Pairs of different ends. */
  pairs: number;
}

type ChangedCell = ChangedPair & { port: MatrixPort };

function changedPairs(groups: readonly number[][], before: PortMatrix, now: PortMatrix): ChangedPair[] {
  const changed: ChangedPair[] = [];
  for (const [from, sources] of groups.entries()) {
    for (const [to, targets] of groups.entries()) {
      const pairs = sources.length * (from === to ? targets.length - 1 : targets.length);
      if (pairs === 0) continue;
      const [source, target] = [sources[0] as number, (from === to ? targets[1] : targets[0]) as number];
      const was = before.allows(source, target);
      if (was !== now.allows(source, target)) changed.push({ change: was ? "closed" : "opened", from, to, pairs });
    }
  }
  return changed;
}

interface Worlds {
  before: { world: OracleWorld; oracle: Oracle };
  now: { world: OracleWorld; oracle: Oracle };
}

function worldsOf([old, fresh]: readonly [PolicyModel, PolicyModel]): Worlds {
  return {
    before: { world: old.world, oracle: createOracle(old.world) },
    now: { world: fresh.world, oracle: createOracle(fresh.world) },
  };
}

/** Changes with the same reasons on the same port are told together. */
function explainChanges(
  cells: readonly ChangedCell[],
  groups: readonly number[][],
  names: readonly string[],
  { before, now }: Worlds,
  ends: readonly EndPair[],
): Pick<ExplainedDiff, "changes" | "changesLeftOut"> {
  const explained = cells.toSorted((a, b) => b.pairs - a.pairs).slice(0, MAX_EXPLAINED);
  const changes = new Map<string, { change: ExplainedChange; from: Set<number>; to: Set<number> }>();
  for (const { change, from, to, pairs, port } of explained) {
    const sources = groups[from] as number[];
    const targets = groups[to] as number[];
    const [source, target] = [sources[0] as number, (from === to ? targets[1] : targets[0]) as number];
    const flow = { from: asEnd(ends[source]), to: asEnd(ends[target]), ...port };
    const why = changeReasons(before.oracle.verdict(flow), now.oracle.verdict(flow), now.world);
    const key = JSON.stringify([change, port, why.map(({ text }) => text)]);
    const known = changes.get(key) ?? {
      change: { change, ...port, pairs: 0, from: [], to: [], why },
      from: new Set(),
      to: new Set(),
    };
    known.change.pairs += pairs;
    known.from.add(from);
    known.to.add(to);
    changes.set(key, known);
  }
  const namesOf = (numbers: Set<number>): string[] =>
    [...numbers].flatMap((number) => (groups[number] ?? []).map((end) => names[end] as string));
  return {
    changes: [...changes.values()].map(({ change, from, to }) => ({ ...change, from: namesOf(from), to: namesOf(to) })),
    changesLeftOut: cells.length - explained.length,
  };
}

function asEnd(pair: EndPair | undefined): OracleEnd {
  const [, end] = pair as EndPair;
  if (!("pod" in end)) return { kind: "address", address: end.address };
  return { kind: "pod", namespace: end.pod.namespace, name: end.pod.name };
}
