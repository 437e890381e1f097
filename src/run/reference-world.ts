import { type AdminPolicy, isAdminPolicy } from "../kube/admin-policy-types.ts";
import { declaredPorts, isHostNetwork, isPodTerminal, podAddresses } from "../kube/pods.ts";
import { namespaceLabels } from "../kube/selectors.ts";
import type { KubeObject, NetworkPolicy, Pod, PodTemplateSpec } from "../kube/types.ts";
import type { Plan, PlannedObject } from "../plan/types.ts";
import type { OraclePod, OracleWorld, PlacedAdminPolicy, PlacedPolicy } from "../policy/types.ts";
import { type WorkloadName, workloadOf } from "./pod-owner.ts";
import { placeAdminPolicy, placePolicy } from "./policy-places.ts";
import { withPlaces } from "./with-places.ts";
import { type DeletedRefs, namespaceOf, referenceObjects } from "./reference-objects.ts";

/** What the world of `expect: policy` is made from. */
export interface WorldSource {
  plan: Plan;
  /** Objects of the running cluster. */
  objects: readonly KubeObject[];
  deletedRefs: DeletedRefs;
  /** Text of a manifest, for the lines of rules; undefined where it cannot be read. */
  readText(file: string): string | undefined;
}

/**
 * The world that the solved lab would be: its policies, and the labels that its manifests give namespaces and pods, so
 * that neither a learner's policy nor a learner's label moves the target. Only what manifests cannot know is live: which
 * pods there are, their addresses and nodes.
 */
export function referenceWorld(source: WorldSource): OracleWorld {
  const reference = referenceObjects(source.plan, source.deletedRefs);
  const namespaces = new Map<string, KubeObject>();
  for (const object of source.objects) if (object.kind === "Namespace") namespaces.set(object.metadata.name, object);
  for (const { object } of reference) if (object.kind === "Namespace") namespaces.set(object.metadata.name, object);
  return {
    namespaces: describeNamespaces(namespaces.values()),
    nodes: describeNodes(source),
    pods: livePods(source.objects).map((pod) =>
      describePod(pod, referenceTemplate(reference, workloadOf(pod, source.objects))),
    ),
    policies: reference
      .filter(({ object }) => isPolicy(object))
      .map((planned) => placePolicy(planned, source.readText(planned.file))),
    adminPolicies: reference
      .filter(({ object }) => isAdminPolicy(object))
      .map((planned) => placeAdminPolicy(planned, source.readText(planned.file))),
  };
}

/**
 * The world as it is, learner's policies and labels included: it explains what was seen, and judges nothing. It has
 * cluster-wide policies only where they are enforced.
 */
export function liveWorld({ plan, objects, readText }: WorldSource): OracleWorld {
  const planned = plan.scenario.flatMap((step) => step.objects);
  const places = planned.filter(({ object }) => isPolicy(object));
  return {
    namespaces: describeNamespaces(objects.filter(({ kind }) => kind === "Namespace")),
    nodes: describeNodes({ plan, objects }),
    pods: livePods(objects).map((pod) => describePod(pod, undefined)),
    policies: objects.filter(isPolicy).map((policy): PlacedPolicy => {
      const place = places.findLast(({ object }) => isSamePolicy(object, policy));
      if (place === undefined) return { policy };
      const text = readText(place.file);
      return withPlaces(policy, () => placePolicy(place, text));
    }),
    ...(plan.cni.enforcesAdminPolicy === true
      ? {
          adminPolicies: objects.filter(isAdminPolicy).map((policy) => placeLiveAdminPolicy(policy, planned, readText)),
        }
      : {}),
  };
}

function placeLiveAdminPolicy(
  policy: AdminPolicy,
  planned: readonly PlannedObject[],
  readText: WorldSource["readText"],
): PlacedAdminPolicy {
  const place = planned.findLast(
    ({ object }) =>
      isAdminPolicy(object) &&
      object.kind === policy.kind &&
      object.metadata.name === policy.metadata.name &&
      JSON.stringify([object.spec.ingress, object.spec.egress]) ===
        JSON.stringify([policy.spec.ingress, policy.spec.egress]),
  );
  if (place === undefined) return { policy };
  const text = readText(place.file);
  return withPlaces(policy, () => placeAdminPolicy(place, text));
}

function describeNamespaces(namespaces: Iterable<KubeObject>): OracleWorld["namespaces"] {
  return [...namespaces].map(({ metadata: { name, labels } }) => ({ name, labels: namespaceLabels(name, labels) }));
}

/** Labels are those of the Node objects, which have some that no topology says: the role, the name. */
function describeNodes({ plan, objects }: Pick<WorldSource, "plan" | "objects">): NonNullable<OracleWorld["nodes"]> {
  const live = new Map(
    objects.filter(({ kind }) => kind === "Node").map(({ metadata }) => [metadata.name, metadata.labels]),
  );
  return plan.topology.nodes.map(({ name, labels, interfaces }) => ({
    name,
    labels: live.get(name) ?? labels,
    addresses: interfaces.flatMap(({ addresses }) => addresses),
  }));
}

/** Labels that say which template a pod was made of. */
const TEMPLATE_LABELS = new Set(["pod-template-hash", "controller-revision-hash", "pod-template-generation"]);

/**
 * What controllers label pods with beside the template's labels; policies may select by it. Which of a StatefulSet's pods it
 * is, is told by its name, which nobody can change.
 */
function controllerLabels({ metadata }: Pod): Record<string, string> {
  const live = Object.entries(metadata.labels ?? {}).filter(([key]) => TEMPLATE_LABELS.has(key));
  const isStateful = (metadata.ownerReferences ?? []).some(
    ({ kind, controller }) => controller && kind === "StatefulSet",
  );
  const own = {
    "statefulset.kubernetes.io/pod-name": metadata.name,
    "apps.kubernetes.io/pod-index": metadata.name.slice(metadata.name.lastIndexOf("-") + 1),
  };
  return { ...Object.fromEntries(live), ...(isStateful ? own : {}) };
}

function describePod(pod: Pod, reference: Pick<PodTemplateSpec, "metadata" | "spec"> | undefined): OraclePod {
  const live = pod.metadata.labels ?? {};
  const spec = reference?.spec ?? pod.spec;
  return {
    namespace: namespaceOf(pod),
    name: pod.metadata.name,
    labels:
      reference === undefined
        ? live
        : {
            ...reference.metadata?.labels,
            ...controllerLabels(pod),
          },
    addresses: podAddresses(pod),
    ports: declaredPorts(spec),
    node: pod.spec.nodeName,
    hostNetwork: isHostNetwork(pod),
  };
}

/** The template that the reference manifests give the pod's workload; a bare pod is its own. */
function referenceTemplate(
  reference: readonly PlannedObject[],
  { kind, namespace, name }: WorkloadName,
): Pick<PodTemplateSpec, "metadata" | "spec"> | undefined {
  const found = reference.find(
    ({ object }) => object.kind === kind && namespaceOf(object) === namespace && object.metadata.name === name,
  )?.object;
  if (found === undefined) return undefined;
  if (found.kind === "Pod") return found as Pod;
  return (found["spec"] as { template?: PodTemplateSpec } | undefined)?.template;
}

function livePods(objects: readonly KubeObject[]): Pod[] {
  return objects.filter((object): object is Pod => object.kind === "Pod").filter((pod) => !isPodTerminal(pod));
}

function isPolicy(object: KubeObject): object is NetworkPolicy {
  return object.kind === "NetworkPolicy" && object.apiVersion === "networking.k8s.io/v1";
}

/** Only a policy that is still as the manifest wrote it has its lines there. */
function isSamePolicy(planned: KubeObject, live: NetworkPolicy): boolean {
  return (
    namespaceOf(planned) === namespaceOf(live) &&
    planned.metadata.name === live.metadata.name &&
    JSON.stringify((planned as NetworkPolicy).spec.ingress) === JSON.stringify(live.spec.ingress) &&
    JSON.stringify((planned as NetworkPolicy).spec.egress) === JSON.stringify(live.spec.egress)
  );
}
