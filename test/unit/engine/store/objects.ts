import type { DaemonSet, StatefulSet } from "../../../../src/kube/set-types.ts";
import type { Deployment, KubeObject, Pod, Service } from "../../../../src/kube/types.ts";

/** A Namespace, to be created before what lives in it. */
export function namespace(name: string): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

export function configMap(name: string, data: Record<string, string> = {}, where = "default"): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: where }, data };
}

export function pod(
  name: string,
  options: { labels?: Record<string, string>; namespace?: string; spec?: Partial<Pod["spec"]> } = {},
): Pod {
  const { labels = {}, namespace: where = "default", spec = {} } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: where, labels },
    spec: { containers: [{ name: "main", image: "nginx" }], ...spec },
  };
}

export function deployment(
  name: string,
  options: {
    replicas?: number;
    image?: string;
    namespace?: string;
    spec?: Record<string, unknown>;
    pod?: Record<string, unknown>;
  } = {},
): Deployment {
  const { replicas, image = "nginx", namespace: where = "default" } = options;
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: where },
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "main", image }], ...options.pod } },
      ...options.spec,
    },
  };
}

export function service(name: string, spec: Partial<Service["spec"]> = {}, where = "default"): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: where },
    spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
  };
}

/** A StatefulSet of pods with label app=NAME behind the Service NAME. */
export function statefulSet(
  name: string,
  options: { image?: string; pod?: Record<string, unknown>; spec?: Partial<StatefulSet["spec"]> } = {},
): StatefulSet {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name, namespace: "default" },
    spec: {
      serviceName: name,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "main", image: options.image ?? "nginx" }], ...options.pod },
      },
      ...options.spec,
    },
  };
}

/** A DaemonSet of pods with label app=NAME. */
export function daemonSet(
  name: string,
  options: { image?: string; pod?: Record<string, unknown>; spec?: Partial<DaemonSet["spec"]> } = {},
): DaemonSet {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name, namespace: "default" },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "main", image: options.image ?? "nginx" }], ...options.pod },
      },
      ...options.spec,
    },
  };
}
