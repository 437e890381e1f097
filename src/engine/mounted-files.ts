import { posix } from "node:path";
import { isRecord } from "../core/is-record.ts";
import type { Container, KubeObject, Pod } from "../kube/types.ts";

/** An object of the pod's namespace. */
export type FindConfig = (kind: "Secret" | "ConfigMap", name: string) => KubeObject | undefined;

/** Text of a file in a container, where a Secret or ConfigMap is mounted; undefined where none has such a file. */
export type ReadFile = (container: Container, path: string) => string | undefined;

/** Every namespace of a real cluster has it, whoever made it: kube-controller-manager's root-ca-cert-publisher. */
const ALWAYS_THERE = "kube-root-ca.crt";

interface Volume {
  name: string;
  /** By their paths in the volume. */
  files: Map<string, string>;
  fault?: string;
}

/**
 * What the Secrets and ConfigMaps mounted by a pod hold, as they are now (kubernetes.io/docs/concepts/storage/volumes: configMap,
 * secret, projected). `fault` is why the kubelet could not start it: one that is missing and not optional, in its words.
 */
export function mountedFiles(pod: Pod, find: FindConfig): { read: ReadFile; fault?: string } {
  const volumes = listOf(pod.spec["volumes"]).map((volume) => readVolume(volume, find));
  const byName = new Map(volumes.map((volume) => [volume.name, volume.files]));
  const fault = volumes.find((volume) => volume.fault !== undefined)?.fault;
  return {
    read: (container, path) => {
      for (const mount of listOf(container["volumeMounts"])) {
        const { name, mountPath, subPath } = mount;
        const inside = posix.relative(posix.normalize(String(mountPath)), posix.normalize(path));
        if (inside.startsWith("..")) continue;
        const found = byName.get(String(name))?.get(posix.join(typeof subPath === "string" ? subPath : "", inside));
        if (found !== undefined) return found;
      }
      return undefined;
    },
    ...(fault === undefined ? {} : { fault }),
  };
}

function readVolume(volume: Record<string, unknown>, find: FindConfig): Volume {
  const name = String(volume["name"]);
  const { secret, configMap, projected } = volume;
  const sources = isRecord(projected) ? listOf(projected["sources"]) : [{ secret, configMap }];
  const files = new Map<string, string>();
  for (const source of sources) {
    for (const [kind, written, object] of [
      ["Secret", source["secret"], isRecord(secret) ? secret["secretName"] : undefined] as const,
      ["ConfigMap", source["configMap"], undefined] as const,
    ]) {
      if (!isRecord(written)) continue;
      const fault = addFiles(files, kind, String(object ?? written["name"]), written, find);
      if (fault !== undefined) return { name, files, fault: `MountVolume.SetUp failed for volume "${name}": ${fault}` };
    }
  }
  return { name, files };
}

function addFiles(
  files: Map<string, string>,
  kind: "Secret" | "ConfigMap",
  name: string,
  { items, optional }: Record<string, unknown>,
  find: FindConfig,
): string | undefined {
  const object = find(kind, name);
  if (object === undefined)
    return optional === true || name === ALWAYS_THERE ? undefined : `${kind.toLowerCase()} "${name}" not found`;
  const entries = contentOf(kind, object);
  const chosen = Array.isArray(items) ? listOf(items) : [...entries.keys()].map((key) => ({ key, path: key }));
  for (const { key, path } of chosen) {
    const text = entries.get(String(key));
    if (text !== undefined) files.set(posix.normalize(String(path)), text);
    else if (optional !== true)
      return `references non-existent ${kind === "Secret" ? "secret" : "config"} key: ${String(key)}`;
  }
  return undefined;
}

/** Keys and their texts; what is no text is not read by any server here. */
export function contentOf(kind: "Secret" | "ConfigMap", object: KubeObject): Map<string, string> {
  const texts = new Map<string, string>();
  const decode = (value: unknown): string => Buffer.from(String(value), "base64").toString("utf8");
  const add = (field: unknown, read: (value: unknown) => string): void => {
    if (isRecord(field)) for (const [key, value] of Object.entries(field)) texts.set(key, read(value));
  };
  add(object["data"], kind === "Secret" ? decode : String);
  add(object["binaryData"], decode);
  // The API server makes data of it when it is written; who wrote last wins.
  add(object["stringData"], String);
  return texts;
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
