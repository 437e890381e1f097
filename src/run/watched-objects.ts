import { isAdminPolicy } from "../kube/admin-policy-types.ts";
import { isNodeReady } from "../kube/nodes.ts";
import { podName } from "../kube/workloads.ts";
import type { KubeObject, Pod } from "../kube/types.ts";
import type { ClusterChanges } from "../providers/changes.ts";
import { sameJson } from "./object-edits.ts";

/** What changes of objects may have changed for probes. */
export interface Impact {
  /** Why nothing that was seen before can be relied on, a phrase each; none where it can. */
  whole: string[];
  /** `shop/web-1`: pods that came, went, moved, or are not as they were. */
  pods: Set<string>;
  /** Policies, or labels that policies select by. */
  hasPolicies: boolean;
  /** What probes call by name: Services, endpoints, workloads. */
  hasNames: boolean;
  /** Pods, namespaces, nodes or workloads: what the solved lab would be like is another, too. */
  hasReference: boolean;
  /** What changed, for people: "NetworkPolicy shop/db changed". */
  what: string[];
}

/** Kinds that say nothing of what a probe could see; what they bring about shows in other objects. */
const UNSEEN = new Set(["Event", "Lease", "ServiceAccount", "ControllerRevision"]);
const WORKLOADS = new Set(["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"]);
const NAMES = new Set(["Service", "Endpoints", "EndpointSlice"]);

/** Nothing changed. */
export function noImpact(): Impact {
  return { whole: [], pods: new Set(), hasPolicies: false, hasNames: false, hasReference: false, what: [] };
}

/** What either changed. */
export function mergeImpacts(one: Impact, other: Impact): Impact {
  return {
    whole: [...new Set([...one.whole, ...other.whole])],
    pods: new Set([...one.pods, ...other.pods]),
    hasPolicies: one.hasPolicies || other.hasPolicies,
    hasNames: one.hasNames || other.hasNames,
    hasReference: one.hasReference || other.hasReference,
    what: [...new Set([...one.what, ...other.what])],
  };
}

/** Whether anything has to be looked at again. */
export function hasImpact({ whole, pods, hasPolicies, hasNames, hasReference }: Impact): boolean {
  return whole.length > 0 || pods.size > 0 || hasPolicies || hasNames || hasReference;
}

/** The cluster's objects, kept up to date by what changed. */
export class WatchedObjects {
  private byUid = new Map<string, KubeObject>();

  /** In the order of their creation. */
  objects(): KubeObject[] {
    return [...this.byUid.values()];
  }

  /** Whether any of the changes is of an object that probes depend on, although nothing of it may be different by now. */
  static isSeen({ objects, deleted, byHand }: ClusterChanges): boolean {
    return deleted.length > 0 || byHand.length > 0 || objects.some(({ kind }) => !UNSEEN.has(kind));
  }

  take({ isWhole, objects, deleted, byHand }: ClusterChanges): Impact {
    const impact = noImpact();
    impact.whole.push(...byHand);
    if (isWhole) {
      if (this.byUid.size > 0) impact.whole.push("changes came faster than they were read");
      this.byUid = new Map(objects.map((object) => [uidOf(object), object]));
      return { ...impact, hasReference: true };
    }
    for (const uid of deleted) {
      const before = this.byUid.get(uid);
      if (before === undefined) continue;
      this.byUid.delete(uid);
      weigh(before, undefined, impact);
    }
    for (const object of objects) {
      const uid = uidOf(object);
      const before = this.byUid.get(uid);
      this.byUid.set(uid, object);
      weigh(before, object, impact);
    }
    return impact;
  }
}

function weigh(before: KubeObject | undefined, now: KubeObject | undefined, impact: Impact): void {
  const object = now ?? before;
  if (object === undefined || UNSEEN.has(object.kind)) return;
  const { kind } = object;
  const tell = (): void => void impact.what.push(`${nameOf(object)} ${changeWord(before, now)}`);
  const differs = (part: (each: KubeObject) => unknown): boolean =>
    before === undefined || now === undefined || !sameJson(part(before), part(now));
  const labels = (each: KubeObject): unknown => each.metadata.labels ?? {};

  if (kind === "NetworkPolicy" || isAdminPolicy(object)) {
    if (!differs((each) => each["spec"])) return;
    impact.hasPolicies = true;
    tell();
  } else if (kind === "Namespace") {
    if (!differs(labels)) return;
    impact.hasPolicies = impact.hasReference = true;
    tell();
  } else if (kind === "Pod") {
    const [areLabels, isOther] = [differs(labels), differs((each) => podFacts(each as Pod))];
    if (isOther) impact.pods.add(podName(object as Pod));
    impact.hasPolicies ||= areLabels;
    impact.hasReference ||= areLabels || isOther;
    if (areLabels || isOther) tell();
  } else if (kind === "Node") {
    const isOther = differs((each) => [isNodeReady(each), each["spec"], (each["status"] as Status)?.addresses]);
    if (isOther) impact.whole.push(`${nameOf(object)} ${changeWord(before, now)}`);
    if (!isOther && !differs(labels)) return;
    impact.hasPolicies = impact.hasReference = true;
    tell();
  } else if (WORKLOADS.has(kind)) {
    // What they bring about are pods; but probes and references find pods by them.
    if (!differs((each) => [labels(each), each.metadata.ownerReferences])) return;
    impact.hasNames = impact.hasReference = true;
    if (kind !== "ReplicaSet") tell();
  } else if (NAMES.has(kind)) {
    if (!differs(withoutBookkeeping)) return;
    impact.hasNames = true;
    if (kind === "Service") tell();
  } else {
    impact.whole.push(`${nameOf(object)} ${changeWord(before, now)}`);
  }
}

type Status = { addresses?: unknown } | undefined;

/** What of a pod decides who answers for it and where. */
function podFacts({ metadata, spec, status }: Pod): unknown {
  const { phase, podIPs, podIP, conditions = [], containerStatuses = [] } = status ?? {};
  return [
    metadata.deletionTimestamp !== undefined,
    spec,
    phase,
    podIPs ?? podIP,
    conditions.map(({ type, status: value }) => [type, value]),
    containerStatuses,
  ];
}

function withoutBookkeeping({ metadata, ...rest }: KubeObject): unknown {
  return [metadata.labels ?? {}, rest];
}

function changeWord(before: KubeObject | undefined, now: KubeObject | undefined): string {
  if (now === undefined) return "deleted";
  return before === undefined ? "created" : "changed";
}

function nameOf({ kind, metadata: { namespace, name } }: KubeObject): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

function uidOf({ kind, metadata: { uid, namespace, name } }: KubeObject): string {
  return uid ?? `${kind} ${namespace ?? ""}/${name}`;
}
