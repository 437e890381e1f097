import { isRecord } from "../../core/is-record.ts";
import type { LabWarning } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { DeleteOptions } from "../store/deletion.ts";
import { notFound } from "../store/object-parts.ts";
import type { ObjectStore } from "../store/store.ts";
import { badRequest, type Status } from "./api-error.ts";
import { decodeObject, type FieldValidation } from "./decode-object.ts";
import { patchObject } from "./patch-object.ts";
import { qualifiedName } from "./resources.ts";
import { conflict, type RequestTarget } from "./status-of-error.ts";

/** How a write is to be carried out. */
export interface WriteOptions {
  /** All checks are made and nothing is stored. */
  isDryRun: boolean;
  fieldValidation: FieldValidation;
}

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
  private readonly warningsOf: (object: KubeObject) => LabWarning[];

  constructor(store: ObjectStore, warningsOf: (object: KubeObject) => LabWarning[]) {
    this.store = store;
    this.warningsOf = warningsOf;
  }

  /** The stored object; throws OBJECT_NOT_FOUND. */
  get({ resource, namespace = "", name = "" }: RequestTarget): KubeObject {
    const ref = { kind: resource.key ?? "", namespace, name };
    const found = this.store.find(ref);
    if (found === undefined) throw notFound(ref);
    return found;
  }

  create(target: RequestTarget, body: unknown, options: WriteOptions): Written {
    const { object, warnings } = decodeObject(body, target, options.fieldValidation);
    delete object.metadata.resourceVersion;
    return this.told(
      this.attempt(options.isDryRun, () => this.store.create(object)),
      warnings,
    );
  }

  /** Replaces the object or its status; with a resourceVersion in the body only that version of it. */
  update(target: RequestTarget, body: unknown, part: "object" | "status", options: WriteOptions): Written {
    this.get(target);
    const { object, warnings } = decodeObject(body, target, options.fieldValidation);
    const write = (): KubeObject => (part === "status" ? this.store.updateStatus(object) : this.store.update(object));
    return this.told(this.attempt(options.isDryRun, write), warnings);
  }

  patch(
    target: RequestTarget,
    patch: { body: unknown; contentType: string },
    part: "object" | "status",
    options: WriteOptions,
  ): Written {
    const patched = patchObject(this.get(target), patch.body, patch.contentType);
    return this.update(target, patched, part, options);
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

  /** Carries a write out; a dry run's is taken back, and nobody learns of it. */
  attempt<T>(isDryRun: boolean, write: () => T): T {
    if (!isDryRun) return write();
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

  private told(object: KubeObject, warnings: readonly string[]): Written {
    const more = this.warningsOf(object).map(({ message, hint }) =>
      hint === undefined ? message : `${message}: ${hint}`,
    );
    return { object, warnings: [...new Set([...warnings, ...more])] };
  }
}

class RolledBack extends Error {}

/** Reads `dryRun` and `fieldValidation` of a query. Throws ApiError. */
export function writeOptions(query: URLSearchParams): WriteOptions {
  const fieldValidation = query.get("fieldValidation") ?? "";
  if (!["", "Strict", "Warn", "Ignore"].includes(fieldValidation))
    throw badRequest(`invalid fieldValidation: ${fieldValidation}`);
  return {
    isDryRun: isDryRun(query.getAll("dryRun")),
    fieldValidation: fieldValidation === "" ? "Warn" : (fieldValidation as FieldValidation),
  };
}

/** Reads a DELETE's options from its query and its body, which wins. Throws ApiError. */
export function deletionOf(query: URLSearchParams, body: unknown, resource: RequestTarget["resource"]): Deletion {
  const sent = isRecord(body) ? body : {};
  const preconditions = isRecord(sent["preconditions"]) ? sent["preconditions"] : {};
  const grace = sent["gracePeriodSeconds"] ?? query.get("gracePeriodSeconds") ?? undefined;
  const seconds = grace === undefined ? undefined : Number(grace);
  if (seconds !== undefined && (!Number.isInteger(seconds) || seconds < 0))
    throw badRequest("gracePeriodSeconds must be a whole number");
  const policy = sent["propagationPolicy"] ?? query.get("propagationPolicy") ?? "Background";
  if (policy !== "Background" && policy !== "Foreground" && policy !== "Orphan") {
    throw badRequest(`invalid propagationPolicy ${JSON.stringify(policy)} for ${qualifiedName(resource)}`);
  }
  const dryRun = sent["dryRun"];
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  const [uid, resourceVersion] = [text(preconditions["uid"]), text(preconditions["resourceVersion"])];
  const isOrphaned = policy === "Orphan" || sent["orphanDependents"] === true;
  return {
    isDryRun: isDryRun([...query.getAll("dryRun"), ...(Array.isArray(dryRun) ? dryRun.map(String) : [])]),
    propagation: isOrphaned ? "Orphan" : "Background",
    ...(seconds === undefined ? {} : { gracePeriodSeconds: seconds }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function isDryRun(values: readonly string[]): boolean {
  const given = values.filter((value) => value !== "");
  if (given.some((value) => value !== "All")) throw badRequest(`Unsupported value: ${given.join(", ")}: dryRun: All`);
  return given.length > 0;
}
