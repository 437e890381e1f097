import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { cnis } from "../../cnis/registry.ts";
import type { Cni, InstallConfig, InstallMode, KernelFeature, ManifestPatch, NodePort } from "../../cnis/types.ts";
import { LabError } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { Plan } from "../../plan/types.ts";
import type { Supplies } from "../../supplies/types.ts";
import type { KubernetesApi } from "./api/kubernetes-api.ts";
import { imagesOf, inApplyOrder, readUpstreamManifest } from "./upstream-manifest.ts";

/** Where hosts have CNI plugins: the release archives' folder, and that of Debian's containernetworking-plugins. */
export const HOST_PLUGIN_FOLDERS: readonly string[] = ["/opt/cni/bin", "/usr/lib/cni"];

/** A plan's CNI as its upstream manifest makes it, ready to be applied. */
export interface CniManifest {
  objects: KubeObject[];
  /** What differs from the upstream manifest. */
  patches: ManifestPatch[];
}

function chosen(plan: Plan): { cni: Cni; mode: InstallMode } {
  const cni = (cnis as Readonly<Record<string, Cni>>)[plan.cni.name];
  const mode = cni?.install.modes[plan.cni.mode];
  if (cni === undefined || mode === undefined) {
    throw new LabError(
      "CNI_MODE_NOT_INSTALLABLE",
      `${plan.cni.name} cannot be installed in mode ${plan.cni.mode} on a real cluster`,
      { hint: `modes: ${Object.keys(cni?.install.modes ?? {}).join(", ") || "none"}` },
    );
  }
  return { cni, mode };
}

function configOf({ cni, cluster }: Plan): InstallConfig {
  const [podCidr = "", ipv6PodCidr] = cni.podCidrs;
  const [serviceCidr = ""] = cluster.serviceCidrs;
  return {
    mode: cni.mode,
    podCidr,
    ...(ipv6PodCidr === undefined ? {} : { ipv6PodCidr }),
    serviceCidr,
    mtu: cni.mtu,
    options: cni.options,
    password: randomBytes(24).toString("base64url"),
  };
}

/**
 * Reads the upstream manifest and patches it; nothing is applied. Throws CNI_MODE_NOT_INSTALLABLE, CNI_MANIFEST_UNEXPECTED,
 * MANIFEST_UNREADABLE, and what {@link Supplies.file} throws.
 */
export async function cniManifest(plan: Plan, supplies: Pick<Supplies, "file">): Promise<CniManifest> {
  const { cni, mode } = chosen(plan);
  const text = await readFile(await supplies.file(mode.manifest), "utf8");
  const { objects, patches } = cni.install.patch(readUpstreamManifest(text, mode.manifest), configOf(plan));
  return { objects: inApplyOrder(objects), patches };
}

/** Images that every node must have before the CNI is installed. Throws as {@link cniManifest}. */
export async function cniImages(plan: Plan, supplies: Pick<Supplies, "file">): Promise<string[]> {
  return imagesOf((await cniManifest(plan, supplies)).objects);
}

/** The upstream file that a plan's CNI is installed from, by its name in the lock. Throws CNI_MODE_NOT_INSTALLABLE. */
export function cniManifestName(plan: Plan): string {
  return chosen(plan).mode.manifest;
}

/** What the kernel of every node must have for a plan's CNI. Throws CNI_MODE_NOT_INSTALLABLE. */
export function cniKernelFeatures(plan: Plan): KernelFeature[] {
  const { kernel, encryptedKernel = [] } = chosen(plan).mode;
  return plan.cni.options["encrypted"] === true ? [...kernel, ...encryptedKernel] : [...kernel];
}

/** What its agents and tunnels listen on at every node. Throws CNI_MODE_NOT_INSTALLABLE. */
export function cniPorts(plan: Plan): readonly NodePort[] {
  return chosen(plan).mode.ports;
}

/** The largest packet between nodes that its pods cause: their MTU and the encapsulation. Throws CNI_MODE_NOT_INSTALLABLE. */
export function cniPacketBytes(plan: Plan): number {
  const { cni } = chosen(plan);
  return plan.cni.mtu + (cni.modes.find(({ name }) => name === plan.cni.mode)?.overheadBytes ?? 0);
}

/**
 * Applies the CNI's manifest, which says nothing of readiness. Once a cluster: a second time draws another password for a
 * CNI that has one. Throws as {@link cniManifest}, the API's errors, and the signal's reason; what was applied then stays.
 */
export async function installCni({
  api,
  plan,
  supplies,
  signal,
  progress,
}: {
  api: Pick<KubernetesApi, "apply">;
  plan: Plan;
  supplies: Pick<Supplies, "file">;
  signal: AbortSignal;
  /** One line for each patch, then one for the manifest. */
  progress: (message: string) => void;
}): Promise<void> {
  const { objects, patches } = await cniManifest(plan, supplies);
  signal.throwIfAborted();
  for (const { what, why } of patches) progress(`${what} (${why})`);
  progress(`apply ${cniManifestName(plan)}: ${objects.length} objects`);
  await api.apply(objects, { signal });
}

/**
 * Plugins of containernetworking/plugins that the plan's CNI calls and nodes lack, by node; empty where all are there.
 * `listPlugins` gives the file names in /opt/cni/bin of a node. kind's node image has no `bridge`
 * (kubernetes-sigs/kind#3015), which Flannel calls.
 */
export async function missingPlugins(
  plan: Plan,
  listPlugins: (node: string) => Promise<readonly string[]>,
): Promise<Map<string, string[]>> {
  const { plugins } = chosen(plan).cni.install;
  if (plugins.length === 0) return new Map();
  const lacking = await Promise.all(
    plan.topology.nodes.map(async ({ name }): Promise<[string, string[]]> => {
      const there = await listPlugins(name);
      return [name, plugins.filter((plugin) => !there.includes(plugin))];
    }),
  );
  return new Map(lacking.filter(([, names]) => names.length > 0));
}
