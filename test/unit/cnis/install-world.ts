import type { CniInstall, InstallConfig, ManifestPatch } from "../../../src/cnis/types.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { cniConfig } from "./cluster.ts";

/** What a CNI's patches are told, for a cluster with its own pod network. */
export function installConfig(overrides: Partial<InstallConfig>): InstallConfig {
  return { ...cniConfig({}), password: "drawn-at-random", ...overrides };
}

/** A DaemonSet in the shape of an upstream manifest's: each container with its environment variables. */
export function daemonSet(
  name: string,
  containers: { name: string; env?: Record<string, string>; init?: boolean; image?: string; pull?: string }[],
  namespace = "kube-system",
): KubeObject {
  const of = (init: boolean): unknown[] =>
    containers
      .filter((container) => (container.init ?? false) === init)
      .map(({ name, env = {}, image = `docker.io/example/${name}:v1`, pull }) => ({
        name,
        image,
        ...(pull === undefined ? {} : { imagePullPolicy: pull }),
        env: Object.entries(env).map(([name, value]) => ({ name, value })),
      }));
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name, namespace },
    spec: { template: { spec: { initContainers: of(true), containers: of(false) } } },
  };
}

export function configMap(name: string, namespace: string, data: Record<string, string>): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

/** The environment of a container of the only DaemonSet, by name; a value from elsewhere as it is written. */
export function envOf(objects: readonly KubeObject[], container: string): Record<string, unknown> {
  const set = objects.find(({ kind }) => kind === "DaemonSet") as unknown as {
    spec: {
      template: {
        spec: { containers: { name: string; env: { name: string; value?: string; valueFrom?: unknown }[] }[] };
      };
    };
  };
  const found = set.spec.template.spec.containers.find(({ name }) => name === container);
  return Object.fromEntries((found?.env ?? []).map(({ name, value, valueFrom }) => [name, value ?? valueFrom]));
}

/** What the patches of a mode say they do. */
export function whatIsPatched(install: CniInstall, objects: readonly KubeObject[], config: InstallConfig): string[] {
  return install.patch(objects, config).patches.map(({ what }: ManifestPatch) => what);
}
