import { isDeepStrictEqual } from "node:util";
import { LabError } from "../core/errors.ts";
import type { KubeObject } from "../kube/types.ts";
import type { ManifestPatch } from "./types.ts";

/** A field of an object: keys, and for lists of named items the item's name as `{ name }`. */
type FieldPath = readonly (string | { name: string })[];

/** A container of a workload in a manifest. */
interface ContainerRef {
  /** "DaemonSet kube-system/calico-node". */
  object: string;
  container: string;
}

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function titleOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`;
}

function pathText(path: FieldPath): string {
  return path.map((step) => (typeof step === "string" ? `.${step}` : `[${step.name}]`)).join("");
}

/** Stands for a placeholder while a text is JSON; no figure of a manifest is like it. */
const STAND_IN = "987654321";

/**
 * Changes to an upstream manifest, each written down. A change says what it expects to find: a manifest of another shape
 * is an error (CNI_MANIFEST_UNEXPECTED), never a change that silently does not happen. What was given stays as it is.
 */
export class ManifestPatcher {
  readonly objects: KubeObject[];
  readonly patches: ManifestPatch[] = [];
  private readonly cni: string;

  constructor(cni: string, objects: readonly KubeObject[]) {
    this.cni = cni;
    this.objects = structuredClone([...objects]);
  }

  /** Sets a field that now holds `from` (undefined: that is absent). Nothing is written down where it holds `to` already. */
  set(object: string, path: FieldPath, { from, to, why }: { from: unknown; to: unknown; why: string }): void {
    const { holder, key } = this.field(object, path);
    if (!isDeepStrictEqual(holder[key], from)) {
      throw this.unexpected(
        `${object}: ${pathText(path)} is ${JSON.stringify(holder[key])}, not ${JSON.stringify(from)}`,
      );
    }
    if (isDeepStrictEqual(from, to)) return;
    holder[key] = to;
    const value = typeof to === "string" ? to : JSON.stringify(to);
    this.patches.push({ what: `${object}: ${pathText(path)} is ${value}`, why });
  }

  /**
   * Changes a field that holds a JSON text; `change` gets its value, to be changed in place or refused. A `placeholder` in
   * the text, which is no JSON until the CNI puts a number there, stays.
   */
  setJson(
    object: string,
    path: FieldPath,
    what: string,
    { change, why, placeholder }: { change(value: Fields): void; why: string; placeholder?: string },
  ): void {
    const { holder, key } = this.field(object, path);
    const text = holder[key];
    let value: unknown;
    try {
      value = JSON.parse(placeholder === undefined ? String(text) : String(text).replaceAll(placeholder, STAND_IN));
    } catch {
      throw this.unexpected(`${object}: ${pathText(path)} is no JSON text`);
    }
    if (!isFields(value)) throw this.unexpected(`${object}: ${pathText(path)} is no JSON object`);
    const before = structuredClone(value);
    change(value);
    if (isDeepStrictEqual(before, value)) return;
    const changed = `${JSON.stringify(value, null, 2)}\n`;
    holder[key] = placeholder === undefined ? changed : changed.replaceAll(STAND_IN, placeholder);
    this.patches.push({ what: `${object}: ${what}`, why });
  }

  /** Adds an environment variable that the container does not have; before the others, which may refer to it. */
  addEnv({ object, container }: ContainerRef, variable: { name: string; [field: string]: unknown }, why: string): void {
    const { holder } = this.field(object, ["spec", "template", "spec", "containers", { name: container }, "env"]);
    const env: unknown = holder["env"];
    if (!Array.isArray(env))
      throw this.unexpected(`${object}: container ${container} has no list of environment variables`);
    if (env.some((known) => isFields(known) && known["name"] === variable.name))
      throw this.unexpected(`${object}: container ${container} has a variable ${variable.name} already`);
    env.unshift(variable);
    const value = "value" in variable ? String(variable["value"]) : JSON.stringify(variable["valueFrom"]);
    this.patches.push({ what: `${object}: container ${container} has ${variable.name}=${value}`, why });
  }

  /** Sets the value of an environment variable of the container that now is `from`. */
  setEnv({ object, container }: ContainerRef, name: string, change: { from: string; to: string; why: string }): void {
    const path = ["spec", "template", "spec", "containers", { name: container }, "env", { name }, "value"];
    this.set(object, path, change);
  }

  /** Adds an object, before all others. */
  addObject(object: KubeObject, why: string): void {
    const title = titleOf(object);
    if (this.objects.some((known) => titleOf(known) === title)) throw this.unexpected(`it has a ${title} already`);
    this.objects.unshift(object);
    this.patches.push({ what: `${title} is added`, why });
  }

  /** CNI_MANIFEST_UNEXPECTED, to be thrown. */
  unexpected(message: string): LabError {
    return new LabError("CNI_MANIFEST_UNEXPECTED", `the manifest of ${this.cni} is not as expected: ${message}`, {
      hint: "use the manifest whose digest is in the lock file: cnilab's patches are made for it",
    });
  }

  private field(object: string, path: FieldPath): { holder: Fields; key: string } {
    const root = this.objects.find((known) => titleOf(known) === object);
    if (root === undefined) throw this.unexpected(`it has no ${object}`);
    let holder: unknown = root;
    for (const [index, step] of path.slice(0, -1).entries()) {
      const next: unknown =
        typeof step === "string"
          ? isFields(holder) && holder[step]
          : Array.isArray(holder) && holder.find((item) => isFields(item) && item["name"] === step.name);
      if (typeof next !== "object" || next === null)
        throw this.unexpected(`${object} has no ${pathText(path.slice(0, index + 1))}`);
      holder = next;
    }
    const key = path.at(-1);
    if (!isFields(holder) || typeof key !== "string") throw this.unexpected(`${object} has no ${pathText(path)}`);
    return { holder, key };
  }
}
