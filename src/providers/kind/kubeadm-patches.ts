import type Dockerode from "dockerode";
import { parse } from "yaml";
import { isMapping } from "../../core/yaml-source.ts";
import { execIn } from "../../exec/docker.ts";

/** Where kind puts a node's configuration before it starts kubeadm. */
const CONFIGURATION = "/kind/kubeadm.conf";

/**
 * Why kubeadm would refuse the configuration of a node, undefined where it would not. `kubeadm init` itself passes over fields
 * that it does not know with a warning that kind hides.
 */
export async function kubeadmComplaint(node: Dockerode.Container, signal: AbortSignal): Promise<string | undefined> {
  const { exitCode, stderr } = await execIn(node, ["kubeadm", "config", "validate", "--config", CONFIGURATION], {
    signal,
  });
  if (exitCode === 0) return undefined;
  const lines = stderr.trim().split("\n");
  return lines.find((line) => line.startsWith("error: ")) ?? lines.at(-1) ?? "";
}

/** Whether a line of kubeadm's or a kubelet's is about what its configuration says. */
export function isAboutConfiguration(line: string): boolean {
  return /strict decoding error|unmarshal|invalid (value|configuration)/i.test(line);
}

/**
 * The lab's patches that such a line is about, as the lab file names them: those with a field that it names, of the kind that it
 * names where it names one. Empty where none fits.
 */
export function patchesAtFault(line: string, patches: readonly string[]): string[] {
  const suspects = patches.map((text, index) => {
    const patch: unknown = parse(text);
    const kind = isMapping(patch) ? String(patch["kind"]) : "";
    const fields = fieldNames(patch).filter((name) => name !== "kind" && name !== "apiVersion");
    const named = fields.some((name) => mentions(line, name));
    return { title: `cluster.kubeadmPatches[${index}] (${kind})`, named, isKind: mentions(line, kind) };
  });
  const named = suspects.filter((suspect) => suspect.named);
  const best = named.some(({ isKind }) => isKind) ? named.filter(({ isKind }) => isKind) : named;
  return best.map(({ title }) => title);
}

function fieldNames(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(fieldNames);
  if (!isMapping(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...fieldNames(inner)]);
}

function mentions(line: string, word: string): boolean {
  return line.split(/[^\w-]+/).includes(word);
}
