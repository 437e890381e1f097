import { formatIp, nthAddress, parseCidr } from "../core/ip.ts";
import { isRecord } from "../core/is-record.ts";
import { declaredPorts, isPodTerminal, podAddresses } from "../kube/pods.ts";
import { namespaceLabels } from "../kube/selectors.ts";
import type { KubeObject, Pod, PodSpec, Service } from "../kube/types.ts";
import type { OraclePod, OracleWorld } from "../policy/types.ts";
import type { PolicySource } from "./explain-source.ts";
import { namespaceOf } from "./reference-objects.ts";

/** A source's objects as policies see them. */
export interface PolicyModel {
  world: OracleWorld;
  services: readonly Service[];
  /** By `NAMESPACE/KIND/NAME`, the kind in lower case: a workload's pods. */
  workloads: ReadonlyMap<string, readonly OraclePod[]>;
  /** Pods that stand for a workload's, or that have no address of their own. */
  hasModelledPods: boolean;
}

/** What kubeadm and most CNIs' manifests say; the other one where that has too few addresses. */
const POD_NETWORK = "10.244.0.0/16";
const LARGE_POD_NETWORK = "10.128.0.0/9";

/** Kinds that make pods of a template, and where it stands. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  Deployment: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  ReplicationController: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};

/**
 * Pods as they are, and for each workload without pods one that its template describes, by the name `deployment/web`: its
 * replicas are alike to every policy. A pod without an address is given the next one of the pod network, in the order of
 * the objects; a network of each family has one.
 */
export function modelWorld(source: PolicySource): PolicyModel {
  const workloads = new Map<string, OraclePod[]>();
  const pods: OraclePod[] = [];
  const controllers = controllersOf(source.objects);
  const namespaces = new Map<string, Record<string, string>>();
  const services: Service[] = [];
  const add = (pod: OraclePod, owners: readonly string[]): void => {
    pods.push(pod);
    for (const owner of owners) {
      const owned = workloads.get(owner);
      if (owned === undefined) workloads.set(owner, [pod]);
      else owned.push(pod);
    }
  };
  for (const object of source.objects) {
    if (object.kind === "Namespace") namespaces.set(object.metadata.name, object.metadata.labels ?? {});
    if (object.kind === "Service") services.push(object as Service);
    if (object.kind !== "Pod" || isPodTerminal(object as Pod)) continue;
    const pod = object as Pod;
    add(describe(pod, pod.metadata.name, pod.metadata.labels, pod.spec, podAddresses(pod)), ownersOf(pod, controllers));
  }
  let hasModelledPods = pods.some(({ addresses }) => addresses.length === 0);
  for (const object of source.objects) {
    const owner = keyOf(object.kind, namespaceOf(object), object.metadata.name);
    const template = templateOf(object);
    if (template === undefined || workloads.has(owner) || ownersOf(object, controllers).length > 0) continue;
    hasModelledPods = true;
    add(describe(object, `${object.kind.toLowerCase()}/${object.metadata.name}`, template.labels, template.spec, []), [
      owner,
    ]);
  }
  giveAddresses(pods, source.podCidrs);
  for (const { namespace } of pods) if (!namespaces.has(namespace)) namespaces.set(namespace, {});
  const world: OracleWorld = {
    namespaces: [...namespaces].map(([name, labels]) => ({ name, labels: namespaceLabels(name, labels) })),
    pods,
    nodes: source.nodes,
    policies: source.policies,
    adminPolicies: source.adminPolicies,
  };
  return { world, services, workloads, hasModelledPods };
}

function describe(
  object: KubeObject,
  name: string,
  labels: Record<string, string> | undefined,
  spec: PodSpec,
  addresses: string[],
): OraclePod {
  return {
    namespace: namespaceOf(object),
    name,
    labels: labels ?? {},
    addresses,
    ports: declaredPorts(spec),
    node: spec.nodeName,
    hostNetwork: spec.hostNetwork === true,
  };
}

/** The template of a workload; kinds that nothing else reads have not had their structure checked. */
function templateOf(object: KubeObject): { labels: Record<string, string>; spec: PodSpec } | undefined {
  const path = Object.hasOwn(TEMPLATES, object.kind) ? TEMPLATES[object.kind] : undefined;
  if (path === undefined) return undefined;
  let value: unknown = object;
  for (const step of path) value = isRecord(value) ? value[step] : undefined;
  if (!isRecord(value) || !isRecord(value["spec"])) return undefined;
  const spec = value["spec"];
  if (!Array.isArray(spec["containers"]) || !spec["containers"].every(isRecord)) return undefined;
  const labels = isRecord(value["metadata"]) ? value["metadata"]["labels"] : undefined;
  const texts = Object.entries(isRecord(labels) ? labels : {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return { labels: Object.fromEntries(texts), spec: spec as PodSpec };
}

/** By key of an object: the key of its controller. */
function controllersOf(objects: readonly KubeObject[]): Map<string, string> {
  const controllers = new Map<string, string>();
  for (const object of objects) {
    const controller = object.metadata.ownerReferences?.find((owner) => owner.controller === true);
    if (controller === undefined) continue;
    const namespace = namespaceOf(object);
    const own = keyOf(object.kind, namespace, object.metadata.name);
    controllers.set(own, keyOf(controller.kind, namespace, controller.name));
  }
  return controllers;
}

/** Keys of an object's controller, of the controller's own, and so on. */
function ownersOf(object: KubeObject, controllers: ReadonlyMap<string, string>): string[] {
  const owners: string[] = [];
  let owner = controllers.get(keyOf(object.kind, namespaceOf(object), object.metadata.name));
  while (owner !== undefined && !owners.includes(owner)) {
    owners.push(owner);
    owner = controllers.get(owner);
  }
  return owners;
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${namespace}/${kind.toLowerCase()}/${name}`;
}

function giveAddresses(pods: OraclePod[], podCidrs: readonly string[]): void {
  const lacking = pods.filter((pod) => pod.addresses.length === 0 && pod.hostNetwork !== true).length;
  const networks = (podCidrs.length > 0 ? podCidrs : [lacking > 60_000 ? LARGE_POD_NETWORK : POD_NETWORK])
    .map(parseCidr)
    .filter((cidr) => cidr !== undefined);
  const taken = new Set(pods.flatMap(({ addresses }) => addresses));
  const next = networks.map(() => 1);
  for (const pod of pods) {
    if (pod.addresses.length > 0 || pod.hostNetwork === true) continue;
    pod.addresses = networks.flatMap((network, at) => {
      for (;;) {
        next[at] = (next[at] ?? 0) + 1;
        const address = nthAddress(network, next[at] ?? 0);
        if (address === undefined) return [];
        const text = formatIp(address);
        if (!taken.has(text)) return [text];
      }
    });
  }
}
