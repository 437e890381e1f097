import { isRecord } from "../../core/is-record.ts";
import { apiVersionOf } from "../../kube/group-version.ts";
import { apiTime, type Clock } from "../clock.ts";
import type { LabWarning } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { DeleteOptions } from "../store/deletion.ts";
import { notFound } from "../store/object-parts.ts";
import type { ObjectStore } from "../store/store.ts";
import { badRequest, type Status } from "./api-error.ts";
import { decodeObject } from "./decode-object.ts";
import { type FieldWriter, withAppliedFields, withTrackedFields, type WrittenBy } from "./managed-object.ts";
import { patched, patchObject } from "./patch-object.ts";
import { qualifiedName } from "./resources.ts";
import { withScale } from "./scale.ts";
import { conflict, type RequestTarget } from "./status-of-error.ts";
import { type ApplyOptions, isDryRun, type WriteOptions } from "./write-options.ts";

/** The object as it is now, and what its writer is to be told. */
export interface Written {
  object: KubeObject;
  warnings: string[];
}

/** What a DELETE asks for (meta/v1 DeleteOptions). */
export interface Deletion extends DeleteOptions {
  isDryRun: boolean;
  uid?: string;
  resourceVersion?: string;
}

/** Writes objects through the store, so that its rules and everybody's watches are the same whoever writes. */
export class ObjectWrites {
  private readonly store: ObjectStore;
  private readonly clock: Clock;
  private readonly warningsOf: (object: KubeObject) => LabWarning[];

  private readonly refuseWrites: () => void;

  /** @param refuseWrites throws where nothing may be written now; asked at the moment of the write, however long its request took. */
  constructor(
    store: ObjectStore,
    clock: Clock,
    warningsOf: (object: KubeObject) => LabWarning[],
    refuseWrites: () => void = () => undefined,
  ) {
    this.store = store;
    this.clock = clock;
    this.warningsOf = warningsOf;
    this.refuseWrites = refuseWrites;
  }

  /** The stored object; throws OBJECT_NOT_FOUND. */
  get({ resource, namespace = "", name = "" }: RequestTarget): KubeObject {
    const ref = { kind: resource.key ?? "", namespace, name };
    const found = this.store.find(ref);
    if (found === undefined) throw notFound(ref);
    return inVersionOf(resource, found);
  }

  create(target: RequestTarget, body: unknown, options: WriteOptions): Written {
    const sent = withoutStatus(body, target.resource);
    const { object, warnings } = decodeObject(sent, target, options.fieldValidation);
    delete object.metadata.resourceVersion;
    const tracked = withTrackedFields(undefined, object, this.writer(target, options, undefined));
    const created = this.attempt(options.isDryRun, () => this.store.create(tracked));
    return this.told(created, warnings, options.isDryRun ? object : undefined);
  }

  /** Replaces the object or its status; with a resourceVersion in the body only that version of it. */
  update(target: RequestTarget, body: unknown, part: "object" | "status", options: WriteOptions): Written {
    const live = this.get(target);
    const sent = part === "object" ? withoutStatus(body, target.resource) : body;
    const { object, warnings } = decodeObject(sent, target, options.fieldValidation, part);
    const subresource = part === "status" ? part : undefined;
    const tracked = withTrackedFields(
      live,
      partOf(target.resource, live, object, part),
      this.writer(target, options, subresource),
    );
    return this.told(this.replace(tracked, part, options), warnings, options.isDryRun ? live : undefined);
  }

  patch(
    target: RequestTarget,
    patch: { body: unknown; contentType: string },
    part: "object" | "status",
    options: WriteOptions,
  ): Written {
    return this.update(target, patchObject(this.get(target), patch.body, patch.contentType), part, options);
  }

  /** Server-side apply (KEP-555): creates the object where there is none. Throws ApiError, of conflicts with their fields. */
  apply(
    target: RequestTarget,
    applied: unknown,
    part: "object" | "status",
    options: ApplyOptions,
  ): Written & { isNew: boolean } {
    if (!isRecord(applied)) throw badRequest("the object provided is unrecognized (must be an object)");
    const { resource, namespace = "", name = "" } = target;
    const stored = this.store.find({ kind: resource.key ?? "", namespace, name });
    const live = stored && inVersionOf(resource, stored);
    const writer = this.writer(target, options, part === "status" ? part : undefined);
    // Whoever applies a status with the object does not own it: it is not taken over.
    const own = part === "object" ? (withoutStatus(applied, target.resource) as typeof applied) : applied;
    const merged = patched(() => withAppliedFields(live, own, options.force, writer));
    const sent = part === "object" ? withoutStatus(merged, target.resource) : merged;
    const { object, warnings } = decodeObject(sent, target, options.fieldValidation, part);
    if (live !== undefined) {
      const managed = partOf(target.resource, live, object, part);
      const replaced = this.replace(managed, part, options);
      return { ...this.told(replaced, warnings, options.isDryRun ? live : undefined), isNew: false };
    }
    if (part === "status") throw notFound({ kind: resource.key ?? "", namespace, name });
    delete object.metadata.resourceVersion;
    const created = this.attempt(options.isDryRun, () => this.store.create(object));
    return { ...this.told(created, warnings, options.isDryRun ? object : undefined), isNew: true };
  }

  /** Sets the replicas of a workload by a Scale. */
  scale(target: RequestTarget, sent: unknown, options: WriteOptions): KubeObject {
    const live = this.get(target);
    const scaled = this.checkedScale(withScale(live, sent, target), target);
    return this.replace(withTrackedFields(live, scaled, this.writer(target, options, "scale")), "object", options);
  }

  /** A custom resource's schema has a say in its replicas. */
  private checkedScale(scaled: KubeObject, target: RequestTarget): KubeObject {
    return target.resource.schema === undefined ? scaled : decodeObject(scaled, target, "Ignore").object;
  }

  /** Deletes the object: what is left of it where something holds it, else a Status that names it. */
  delete(target: RequestTarget, { isDryRun, uid, resourceVersion, ...options }: Deletion): KubeObject | Status {
    const live = this.get(target);
    const { metadata } = live;
    if (uid !== undefined && uid !== metadata.uid) {
      const which = `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid})`;
      throw conflict(target, `${which}. The object might have been deleted and then recreated`);
    }
    if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
      const which = `the ResourceVersion in the precondition (${resourceVersion})`;
      throw conflict(
        target,
        `${which} does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
      );
    }
    const { resource, namespace = "", name = "" } = target;
    const ref = { kind: resource.key ?? "", namespace, name };
    const left = this.attempt(isDryRun, () => {
      this.store.delete(ref, options);
      return this.store.find(ref);
    });
    if (left !== undefined && left.metadata.uid === metadata.uid) return left;
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: {
        name,
        ...(resource.group === "" ? {} : { group: resource.group }),
        kind: resource.name,
        ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
      },
    };
  }

  /** Deletes each of these that is still there when its turn comes. */
  deleteAll(target: RequestTarget, objects: readonly KubeObject[], options: Deletion): void {
    for (const { metadata } of objects) {
      const each = { ...target, namespace: metadata.namespace, name: metadata.name };
      const ref = { kind: target.resource.key ?? "", namespace: metadata.namespace ?? "", name: metadata.name };
      if (this.store.find(ref) !== undefined) this.delete(each, options);
    }
  }

  private writer({ resource }: RequestTarget, { manager }: WriteOptions, subresource: WrittenBy): FieldWriter {
    return { store: this.store, resource, manager, subresource, time: apiTime(this.clock.nowMs()) };
  }

  /** A status goes with the managers of its fields, which are metadata. */
  private replace(object: KubeObject, part: "object" | "status", { isDryRun: isTrial }: WriteOptions): KubeObject {
    return this.attempt(isTrial, () =>
      part === "status" ? this.store.updateWithStatus(object) : this.store.update(object),
    );
  }

  /** Carries a write out; a dry run's is taken back, and nobody learns of it. */
  attempt<T>(isDryRun: boolean, write: () => T): T {
    if (!isDryRun) {
      this.refuseWrites();
      return write();
    }
    const outcome: { value?: T } = {};
    try {
      this.store.transaction(() => {
        outcome.value = write();
        throw new RolledBack();
      });
    } catch (error) {
      if (!(error instanceof RolledBack)) throw error;
    }
    return outcome.value as T;
  }

  /** @param versionOf of a dry run: whose version the object is told with. */
  private told(written: KubeObject, warnings: readonly string[], versionOf?: KubeObject): Written {
    const object = versionOf === undefined ? written : withVersionOf(written, versionOf);
    const more = this.warningsOf(object).map(({ message, hint }) =>
      hint === undefined ? message : `${message}: ${hint}`,
    );
    return { object, warnings: [...new Set([...warnings, ...more])] };
  }
}

/** An object in the version that a path names: the versions of a custom resource have the same fields here (conversion None). */
function inVersionOf(resource: RequestTarget["resource"], object: KubeObject): KubeObject {
  const apiVersion = apiVersionOf(resource);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

/** A dry run makes no version: the object has that of another. */
function withVersionOf(object: KubeObject, { metadata: { resourceVersion } }: KubeObject): KubeObject {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) } };
}

/** A write of the object says nothing of its status where that is a subresource: what is sent is neither checked nor stored. */
function withoutStatus(body: unknown, { subresources }: RequestTarget["resource"]): unknown {
  if (!isRecord(body) || !subresources.includes("status")) return body;
  const { status: _, ...rest } = body;
  return rest;
}

/** What a write of the object, or of its status, would store: the other part stays, and so does metadata by way of the status. */
function partOf(
  { subresources }: RequestTarget["resource"],
  live: KubeObject,
  written: KubeObject,
  part: "object" | "status",
): KubeObject {
  if (part === "object") {
    if (!subresources.includes("status")) return written;
    const { status: _, ...rest } = written;
    return (live["status"] === undefined ? rest : { ...rest, status: live["status"] }) as KubeObject;
  }
  const { uid, resourceVersion, ...metadata } = written.metadata;
  return {
    ...live,
    metadata: {
      ...live.metadata,
      ...("managedFields" in metadata ? { managedFields: metadata.managedFields } : {}),
      uid,
      resourceVersion,
    },
    status: written["status"],
  } as KubeObject;
}

class RolledBack extends Error {}

/** Reads a DELETE's options from its query and its body, which wins. Throws ApiError. */
export function deletionOf(query: URLSearchParams, body: unknown, resource: RequestTarget["resource"]): Deletion {
  const sent = isRecord(body) ? body : {};
  const preconditions = isRecord(sent["preconditions"]) ? sent["preconditions"] : {};
  const grace = sent["gracePeriodSeconds"] ?? query.get("gracePeriodSeconds") ?? undefined;
  const seconds = grace === undefined ? undefined : Number(grace);
  if (seconds !== undefined && (!Number.isInteger(seconds) || seconds < 0))
    throw badRequest("gracePeriodSeconds must be a whole number");
  const policy = propagationOf(sent, query);
  if (policy !== undefined && policy !== "Background" && policy !== "Foreground" && policy !== "Orphan") {
    throw badRequest(`invalid propagationPolicy ${JSON.stringify(policy)} for ${qualifiedName(resource)}`);
  }
  const dryRun = sent["dryRun"];
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  const [uid, resourceVersion] = [text(preconditions["uid"]), text(preconditions["resourceVersion"])];
  return {
    isDryRun: isDryRun([...query.getAll("dryRun"), ...(Array.isArray(dryRun) ? dryRun.map(String) : [])]),
    ...(policy === undefined ? {} : { propagation: policy }),
    ...(seconds === undefined ? {} : { gracePeriodSeconds: seconds }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** `orphanDependents` is the older way to say it. */
function propagationOf(sent: Record<string, unknown>, query: URLSearchParams): unknown {
  const policy = sent["propagationPolicy"] ?? query.get("propagationPolicy") ?? undefined;
  const orphans = sent["orphanDependents"];
  if (typeof orphans !== "boolean") return policy;
  if (policy !== undefined)
    throw badRequest("orphanDependents and propagationPolicy cannot be both set: propagationPolicy is enough");
  return orphans ? "Orphan" : "Background";
}
