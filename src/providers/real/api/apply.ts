import { randomBytes } from "node:crypto";
import { LabError } from "../../../core/errors.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { ApplyResult } from "../../types.ts";
import { ApiError } from "./api-error.ts";
import { applicable, applyOne, patchApply, readObject, type Applied, type Wanted } from "./apply-object.ts";
import type { ApiConnection } from "./connection.ts";
import { deleteObjects } from "./delete.ts";
import { inParallel } from "./in-parallel.ts";
import { refOf, refText } from "./object-text.ts";
import { pathOf, resourcesOfDefinition, type ApiResource, type ApiResources } from "./resources.ts";
import { untilObjects } from "./until.ts";

/** Few enough that the API server's priority levels (KEP-1040) hold none back. */
const AT_ONCE = 8;
const PREREQUISITE_TIMEOUT_MS = 30_000;
const UNDO_TIMEOUT_MS = 60_000;

export interface ApplyOptions {
  /** Nothing is stored; the server checks all the same. */
  dryRun?: boolean;
  signal?: AbortSignal;
}

/**
 * Creates or updates all objects or, as far as the API lets us, none: a dry run of all comes first, what the run cannot
 * see (two objects that clash with each other) is taken back when it fails. Namespaces and CustomResourceDefinitions go
 * first and are ready before what needs them. Throws APPLY_REJECTED with the server's reasons, API_KIND_UNKNOWN,
 * WAIT_TIMEOUT for a definition that is not established.
 */
export async function applyObjects(
  connection: ApiConnection,
  resources: ApiResources,
  objects: readonly KubeObject[],
  { dryRun = false, signal }: ApplyOptions = {},
): Promise<ApplyResult[]> {
  const planned = await planApply(connection, resources, objects);
  const tryOut = (wanted: readonly Wanted[]): Promise<Applied[]> =>
    attempt(wanted, signal, (one) => applyOne(connection, one, { dryRun: true }));
  const tried = await tryOut([...planned.first, ...planned.early]);
  const late = await attempt(planned.late, signal, (one) => tryElsewhere(connection, one));
  if (dryRun) return inOrder(planned.order, [...tried, ...late]);

  const done: Applied[] = [];
  const apply = async (wanted: readonly Wanted[]): Promise<void> => {
    await attempt(wanted, signal, async (one) => {
      const applied = await applyOne(connection, one, { dryRun: false });
      done.push(applied);
    });
  };
  try {
    await apply(planned.first);
    await prerequisites(connection, resources, planned, signal);
    await tryOut(planned.late);
    await apply([...planned.early, ...planned.late].toSorted((a, b) => rank(a.object) - rank(b.object)));
  } catch (error) {
    throw await takenBack(connection, resources, done, error);
  }
  return inOrder(planned.order, done);
}

interface PlannedApply {
  order: readonly Wanted[];
  /** Namespaces and definitions. */
  first: Wanted[];
  /** What can be tried before anything is stored. */
  early: Wanted[];
  /** What needs a namespace or definition that is new. */
  late: Wanted[];
}

async function planApply(
  connection: ApiConnection,
  resources: ApiResources,
  objects: readonly KubeObject[],
): Promise<PlannedApply> {
  const defined = objects.filter(isDefinition).flatMap((definition) => resourcesOfDefinition(definition));
  const order: Wanted[] = [];
  for (const object of objects) {
    const own = defined.find((each) => isOfKind(object, each));
    const resource = own ?? (await resources.find(object.kind, object.apiVersion));
    order.push({ resource, object: applicable(object, resource) });
  }
  const first = order.filter(({ object }) => isFirst(object)).toSorted((a, b) => rank(a.object) - rank(b.object));
  const missing = new Set<Wanted>();
  await inParallel(first, AT_ONCE, async (one) => {
    if ((await readObject(connection, one)) === undefined) missing.add(one);
  });
  const newNamespaces = new Set([...missing].filter(isNamespace).map(({ object }) => object.metadata.name));
  const newKinds = [...missing]
    .filter(({ object }) => isDefinition(object))
    .flatMap(({ object }) => resourcesOfDefinition(object));
  const isLate = ({ object }: Wanted): boolean =>
    newNamespaces.has(object.metadata.namespace ?? "") || newKinds.some((kind) => isOfKind(object, kind));
  const rest = order.filter(({ object }) => !isFirst(object));
  return { order, first, early: rest.filter((one) => !isLate(one)), late: rest.filter(isLate) };
}

function isOfKind(object: KubeObject, { group, version, kind }: ApiResource): boolean {
  return object.kind === kind && object.apiVersion === `${group}/${version}`;
}

function isNamespace({ object }: Wanted): boolean {
  return object.kind === "Namespace" && object.apiVersion === "v1";
}

function isDefinition({ kind, apiVersion }: KubeObject): boolean {
  return kind === "CustomResourceDefinition" && apiVersion === "apiextensions.k8s.io/v1";
}

function isFirst(object: KubeObject): boolean {
  return rank(object) < 2;
}

/** What others refer to goes before them; webhooks last, since they may ask for pods that are not there yet. */
function rank(object: KubeObject): number {
  if (object.kind === "Namespace") return 0;
  if (isDefinition(object)) return 1;
  if (/^(ServiceAccount|(Cluster)?Role(Binding)?|ConfigMap|Secret|PriorityClass|StorageClass)$/.test(object.kind))
    return 2;
  return object.kind.endsWith("WebhookConfiguration") ? 4 : 3;
}

/** Applies each; all that the server refuses is told at once. */
async function attempt<Result>(
  wanted: readonly Wanted[],
  signal: AbortSignal | undefined,
  act: (one: Wanted) => Promise<Result>,
): Promise<Result[]> {
  const refused: string[] = [];
  const results = await inParallel(wanted, AT_ONCE, async (one) => {
    signal?.throwIfAborted();
    try {
      return [await act(one)];
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused.push(`${refText(refOf(one.object))}: ${error.why}`);
      return [];
    }
  });
  if (refused.length === 0) return results.flat();
  const many = refused.length === 1 ? "" : `${refused.length} objects:\n  `;
  throw new LabError("APPLY_REJECTED", `the API server refuses ${many}${refused.join("\n  ")}`);
}

/**
 * A dry run of what needs a namespace that is not there, in another under a name of its own: a mistake is found before
 * a namespace is made, which takes five seconds to go again. What needs a definition or a service account that is not
 * there cannot be tried like this, and says so.
 */
async function tryElsewhere(connection: ApiConnection, wanted: Wanted): Promise<Applied> {
  const { object, resource } = wanted;
  const tried = { wanted, action: "created" as const, before: undefined };
  const name = `cnilab-dry-run-${randomBytes(4).toString("hex")}`;
  const as = { ...object, metadata: { ...object.metadata, name, namespace: "default" } };
  try {
    const { warnings } = await patchApply(connection, wanted, { dryRun: true, as });
    return { ...tried, warnings };
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 403)) throw error;
    return { ...tried, warnings: [`not checked: a ${resource.kind} needs what is applied with it (${error.why})`] };
  }
}

/** Definitions are served when Established, and pods may be made in a namespace once it has its service account. */
async function prerequisites(
  connection: ApiConnection,
  resources: ApiResources,
  { first, late }: PlannedApply,
  signal: AbortSignal | undefined,
): Promise<void> {
  const definitions = first.map(({ object }) => object).filter(isDefinition);
  const namespaces = late
    .filter(({ object }) => object.kind === "Pod")
    .map(({ object }) => object.metadata.namespace ?? "");
  const names = new Set(definitions.map(({ metadata }) => metadata.name));
  const options = {
    timeoutMs: PREREQUISITE_TIMEOUT_MS,
    signal,
    timeout: (gap: string) => new LabError("WAIT_TIMEOUT", `${gap} within ${PREREQUISITE_TIMEOUT_MS / 1000} s`),
  };
  if (names.size > 0) {
    await untilObjects(
      connection,
      resources,
      [{ kind: "CustomResourceDefinition" }],
      (objects) => {
        const ready = objects.filter(isEstablished).map(({ metadata }) => metadata.name);
        const waiting = [...names].filter((name) => !ready.includes(name));
        return waiting.length === 0 ? undefined : `CustomResourceDefinition ${waiting.join(", ")} was not established`;
      },
      options,
    );
    for (const definition of definitions) resources.learn(definition);
  }
  for (const namespace of new Set(namespaces)) {
    await untilObjects(
      connection,
      resources,
      [{ kind: "ServiceAccount", namespace, name: "default" }],
      (objects) => (objects.length > 0 ? undefined : `namespace ${namespace} got no service account`),
      options,
    );
  }
}

function isEstablished(definition: KubeObject): boolean {
  const status = definition["status"] as { conditions?: { type: string; status: string }[] | null } | undefined;
  return (status?.conditions ?? []).some((each) => each.type === "Established" && each.status === "True");
}

/** Removes what was created and puts back what was changed; the error to throw, which says what could not be. */
async function takenBack(
  connection: ApiConnection,
  resources: ApiResources,
  done: readonly Applied[],
  error: unknown,
): Promise<unknown> {
  try {
    for (const { wanted, before } of done.filter(({ action }) => action === "configured").toReversed()) {
      if (before === undefined) continue;
      const { resourceVersion: _old, ...metadata } = before.metadata;
      const { namespace, name } = before.metadata;
      const path = pathOf(wanted.resource, namespace, name);
      await connection.send({ method: "PUT", path, body: { ...before, metadata } });
    }
    const created = done.filter(({ action }) => action === "created").toReversed();
    const targets = created.map(({ wanted: { resource, object } }) => ({ ref: refOf(object), resource }));
    await deleteObjects(connection, resources, targets, { timeoutMs: UNDO_TIMEOUT_MS });
    return error;
  } catch (failure) {
    const reason = error instanceof Error ? error.message : String(error);
    const left = done.filter(({ action }) => action !== "unchanged").map(({ wanted }) => refText(refOf(wanted.object)));
    return new LabError(
      "APPLY_HALF_DONE",
      `${reason}; what was applied before could not be taken back: ${(failure as Error).message}`,
      { cause: error, hint: `look at ${left.join(", ")}` },
    );
  }
}

function inOrder(order: readonly Wanted[], done: readonly Applied[]): ApplyResult[] {
  return order.map((wanted): ApplyResult => {
    const found = done.find((applied) => applied.wanted === wanted);
    const ref = refOf(wanted.object);
    const warnings = (found?.warnings ?? []).map((text) => ({
      code: "API_WARNING",
      message: `${refText(ref)}: ${text}`,
    }));
    return { ref, action: found?.action ?? "unchanged", warnings };
  });
}
