import { LabError } from "../../../core/errors.ts";
import { restartPatch } from "../../../kube/rollout-restart.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { ApplyResult, ObjectRef, WaitFor } from "../../types.ts";
import { readAccess, type Dial } from "./access.ts";
import { ApiError, isNotFound } from "./api-error.ts";
import { applyObjects, type ApplyOptions } from "./apply.ts";
import { ApiConnection } from "./connection.ts";
import { deleteObjects } from "./delete.ts";
import { listCollection, type ObjectQuery } from "./follow.ts";
import { inParallel } from "./in-parallel.ts";
import { refText } from "./object-text.ts";
import { ApiResources, pathOf, type ApiResource } from "./resources.ts";
import { untilObjects, type Look, type UntilOptions } from "./until.ts";
import { waitFor } from "./wait.ts";

const DELETE_TIMEOUT_MS = 120_000;
const LISTS_AT_ONCE = 12;

/** What a lab's network is made of: what `list` gives where no kind is asked for. */
const LISTED_KINDS = [
  "Namespace",
  "Node",
  "ConfigMap",
  "Service",
  "Endpoints",
  "EndpointSlice",
  "Deployment",
  "ReplicaSet",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "Pod",
  "NetworkPolicy",
  "Ingress",
];

/** A reference with its group and version, where the kind alone would not do. */
export interface TypedRef extends ObjectRef {
  apiVersion?: string;
}

export interface ListFilter extends Partial<ObjectQuery> {
  /** Several kinds in one go, each as in `kind`. */
  kinds?: readonly string[];
}

/**
 * A Kubernetes API server. Every method rejects with a LabError: API_UNREACHABLE, API_FORBIDDEN, API_REFUSED,
 * API_KIND_UNKNOWN, and what it says itself.
 */
export class KubernetesApi {
  readonly connection: ApiConnection;
  readonly resources: ApiResources;

  constructor(connection: ApiConnection) {
    this.connection = connection;
    this.resources = new ApiResources(connection);
  }

  /** "v1.34.4". */
  async version(): Promise<string> {
    const { body } = await this.connection.send({ method: "GET", path: "/version" });
    return (body as { gitVersion: string }).gitVersion;
  }

  /** Creates or updates, all or none as far as the API lets us; throws APPLY_REJECTED with the server's reasons. */
  apply(objects: readonly KubeObject[], options: ApplyOptions = {}): Promise<ApplyResult[]> {
    return applyObjects(this.connection, this.resources, objects, options);
  }

  /** What is missing is fine; resolves when all are gone, workloads with their pods. Rejects with DELETE_STUCK. */
  async delete(
    refs: readonly TypedRef[],
    { timeoutMs = DELETE_TIMEOUT_MS, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<void> {
    const targets = await Promise.all(refs.map(async (ref) => ({ ref, resource: await this.resourceOf(ref) })));
    await deleteObjects(this.connection, this.resources, targets, { timeoutMs, signal });
  }

  /** The object, or undefined where it is not there. */
  async get(ref: TypedRef): Promise<KubeObject | undefined> {
    try {
      const path = pathOf(await this.resourceOf(ref), ref.namespace, ref.name);
      return (await this.connection.send({ method: "GET", path })).body as KubeObject;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** A JSON merge patch (RFC 7386); throws OBJECT_NOT_FOUND. */
  async patch(ref: TypedRef, patch: object, { subresource }: { subresource?: string } = {}): Promise<KubeObject> {
    const path = pathOf(await this.resourceOf(ref), ref.namespace, ref.name);
    try {
      const { body } = await this.connection.send({
        method: "PATCH",
        path: subresource === undefined ? path : `${path}/${subresource}`,
        query: { fieldManager: "cnilab" },
        contentType: "application/merge-patch+json",
        body: patch,
      });
      return body as KubeObject;
    } catch (error) {
      if (isNotFound(error)) throw new LabError("OBJECT_NOT_FOUND", `${refText(ref)} does not exist`, { cause: error });
      throw error;
    }
  }

  /** Objects in creation order; without a kind those of a lab's network (not secrets, not custom resources). */
  async list(filter: ListFilter = {}): Promise<KubeObject[]> {
    const { kind, kinds, ...query } = filter;
    const wanted = kind === undefined ? (kinds ?? LISTED_KINDS) : [kind];
    const lists = await inParallel(wanted, LISTS_AT_ONCE, async (each) => {
      const resource = await this.resources.find(each, query.apiVersion);
      if (query.namespace !== undefined && !resource.namespaced) return [];
      return (await listCollection(this.connection, resource, query)).objects;
    });
    return lists.flat().toSorted(byCreation);
  }

  /** Sets spec.replicas; throws OBJECT_NOT_FOUND or NOT_SCALABLE. */
  async scale(ref: TypedRef, replicas: number): Promise<void> {
    const resource = await this.resourceOf(ref);
    if (!resource.subresources.includes("scale")) {
      throw new LabError("NOT_SCALABLE", `a ${resource.kind} has no replicas to scale`, {
        hint: "scale a Deployment, a ReplicaSet or a StatefulSet",
      });
    }
    await this.patch(ref, { spec: { replicas } }, { subresource: "scale" });
  }

  /** Annotates the template, so that all pods are replaced; throws OBJECT_NOT_FOUND. */
  async rolloutRestart(ref: TypedRef, restartedAt: string): Promise<void> {
    await this.patch(ref, restartPatch(restartedAt));
  }

  /** What a container wrote so far; throws SOURCE_MISSING, or SOURCE_NOT_READY before it runs. */
  async logs(pod: { namespace: string; name: string; container?: string }): Promise<string> {
    const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/log`;
    try {
      const query = { container: pod.container ?? (await this.firstContainer(pod)) };
      return (await this.connection.send({ method: "GET", path, query, accept: "*/*" })).body as string;
    } catch (error) {
      const name = `pod ${pod.namespace}/${pod.name}`;
      if (isNotFound(error)) throw new LabError("SOURCE_MISSING", `${name} does not exist`, { cause: error });
      if (!(error instanceof ApiError) || error.status !== 400) throw error;
      const code = error.why.includes("is not valid for pod") ? "SOURCE_MISSING" : "SOURCE_NOT_READY";
      throw new LabError(code, `${name} has no logs: ${error.why}`, { cause: error });
    }
  }

  /** Rejects with WAIT_TIMEOUT, which says what was still missing, or WAIT_HOPELESS where no time would mend it. */
  wait(condition: WaitFor, options: { timeoutMs: number; signal?: AbortSignal }): Promise<void> {
    return waitFor(this.connection, this.resources, condition, options);
  }

  /** Resolves with the objects of the queries once `look` finds no gap in them; see {@link untilObjects}. */
  until(queries: readonly ObjectQuery[], look: Look, options: UntilOptions): Promise<readonly KubeObject[]> {
    return untilObjects(this.connection, this.resources, queries, look, options);
  }

  /** Ends idle connections; nothing is left open where no call is under way. */
  close(): void {
    this.connection.close();
  }

  resourceOf({ kind, apiVersion }: TypedRef): Promise<ApiResource> {
    return this.resources.find(kind, apiVersion);
  }

  private async firstContainer({ namespace, name }: { namespace: string; name: string }): Promise<string | undefined> {
    const pod = await this.get({ kind: "Pod", namespace, name });
    return (pod?.["spec"] as { containers: { name: string }[] } | undefined)?.containers[0]?.name;
  }
}

/**
 * Opens the API that a kubeconfig leads to; `file` is where it stands, for relative paths in it, `dial` opens streams to it. Throws
 * KUBECONFIG_INVALID or KUBECONFIG_NO_CONTEXT; whether the server answers is known with the first request.
 */
export async function openKubernetesApi(
  kubeconfigYaml: string,
  options: { context?: string; file?: string; dial?: Dial } = {},
): Promise<KubernetesApi> {
  const access = await readAccess(kubeconfigYaml, options);
  return new KubernetesApi(new ApiConnection(access));
}

/** Whole seconds are all that the API tells of an object's age: kinds and names order the rest. */
function byCreation(a: KubeObject, b: KubeObject): number {
  const [first, second] = [a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? ""];
  return first < second ? -1 : first > second ? 1 : 0;
}
