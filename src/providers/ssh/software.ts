import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Plan } from "../../plan/types.ts";
import type { Supplies } from "../../supplies/types.ts";
import { HOST_PLUGIN_FOLDERS } from "../real/install-cni.ts";
import { clusterNeeds } from "../real/needs.ts";
import { podImages } from "../real/pod-images.ts";
import type { ProviderNeeds } from "../types.ts";

/** What machines get. */
export const KUBERNETES_VERSION = "1.34.4";

/** `kubeadm config images list --kubernetes-version v1.34.4` */
const CONTROL_PLANE_IMAGES: readonly string[] = [
  ...["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"].map(
    (name) => `registry.k8s.io/${name}:v${KUBERNETES_VERSION}`,
  ),
  "registry.k8s.io/coredns/coredns:v1.12.1",
  "registry.k8s.io/pause:3.10.1",
  "registry.k8s.io/etcd:3.6.5-0",
];

const EXECUTABLES = ["kubeadm", "kubelet", "kubectl"] as const;

/** All that machines are given out of a bundle. */
export async function sshNeeds(plan: Plan, supplies: Pick<Supplies, "file">): Promise<ProviderNeeds> {
  const { images, files } = await clusterNeeds(plan, supplies);
  return {
    images: [...new Set([...CONTROL_PLANE_IMAGES, ...images, ...podImages(plan)])],
    files,
    executables: [...EXECUTABLES],
  };
}

/**
 * Puts what a bundle has for these plans into `folder`, as the playbooks take it: bin, cni, images. CNI plugins are this host's; where
 * it has none, the machines' own have to do. Throws SUPPLY_….
 */
export async function takeFromBundle(plans: readonly Plan[], supplies: Supplies, folder: string): Promise<void> {
  const [bin, plugins] = [join(folder, "bin"), join(folder, "cni")];
  await Promise.all([bin, plugins].map((each) => mkdir(each, { recursive: true })));
  for (const name of EXECUTABLES) await copyFile(await supplies.executable(name), join(bin, name));
  const from = HOST_PLUGIN_FOLDERS.find((each) => existsSync(each));
  const names = from === undefined ? [] : await readdir(from);
  for (const name of names) await copyFile(join(from ?? "", name), join(plugins, name));
  const needs = await Promise.all(plans.map((plan) => sshNeeds(plan, supplies)));
  await supplies.imageArchives(
    needs.flatMap(({ images }) => images),
    join(folder, "images"),
  );
}
