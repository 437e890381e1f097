import type { KubeObject, Pod, ReplicaSet } from "../kube/types.ts";
import { apiTime, type Clock } from "./clock.ts";
import { MOST_EVENTS } from "./event-recorder.ts";
import { isActive } from "./controllers/owned-pods.ts";
import { controlledBy } from "./controllers/controller.ts";
import type { StoreEvent } from "./store/history.ts";
import type { ObjectStore } from "./store/store.ts";

/** kube-apiserver --event-ttl. */
const TTL_MS = 3_600_000;

/** The object that an event is about, as its involvedObject names it (v1 ObjectReference). */
interface About {
  apiVersion: string;
  kind: string;
  namespace: string;
  name: string;
  uid: string;
  fieldPath?: string;
}

interface Happening {
  about: About;
  reason: string;
  message: string;
  component: string;
  host?: string;
  atMs: number;
}

/** Who makes the pods of an owner, and how that one says so. */
const MAKERS: Readonly<
  Record<string, { component: string; text(verb: "create" | "delete", pod: string, owner: string): string }>
> = {
  ReplicaSet: { component: "replicaset-controller", text: shortText },
  DaemonSet: { component: "daemonset-controller", text: shortText },
  StatefulSet: {
    component: "statefulset-controller",
    text: (verb, pod, owner) => `${verb} Pod ${pod} in StatefulSet ${owner} successful`,
  },
};

function shortText(verb: "create" | "delete", pod: string): string {
  return `${verb === "create" ? "Created" : "Deleted"} pod: ${pod}`;
}

/**
 * What went well, as `kubectl describe` and `kubectl get events` of a real cluster tell it: who made, bound, started and stopped pods, and scaled ReplicaSets. Read off
 * the store's changes and kept in a few words; Event objects are made of it when somebody reads Events, so that a lab that nobody asks pays nothing for them.
 * The newest 1000 are kept, for an hour.
 */
export class NormalEvents {
  private readonly store: ObjectStore;
  private readonly clock: Clock;
  private readonly closeWatch: () => void;
  private happened: Happening[] = [];
  private followers = 0;
  /** Of the Events that are in the store, by what they say. */
  private readonly names = new Map<string, string>();
  private lastSuffix = 0n;
  /** Of this turn's owners, by their uid: a thousand pods that go at once are counted once. */
  private readonly surplus = new Map<string, boolean>();

  constructor(store: ObjectStore, clock: Clock) {
    this.store = store;
    this.clock = clock;
    const watch = store.watch({ kinds: ["Pod", "ReplicaSet"] }, (events) => {
      this.surplus.clear();
      for (const event of events) this.see(event);
      if (this.happened.length > 2 * MOST_EVENTS) this.happened = this.happened.slice(-MOST_EVENTS);
      if (this.followers > 0) this.write();
    });
    this.closeWatch = () => watch.close();
  }

  close(): void {
    this.closeWatch();
  }

  /** Writes what happened into the store, and takes out what is older than an hour. For whoever is about to read Events. */
  write(): void {
    const { store } = this;
    const now = this.clock.nowMs();
    const news = this.happened.slice(-MOST_EVENTS).filter(({ atMs }) => now - atMs < TTL_MS);
    this.happened = [];
    for (const happening of news) this.writeOne(happening);
    const all = store.all({ kind: "Event" });
    const tooMany = all.length - MOST_EVENTS;
    for (const [index, event] of all.entries()) {
      const isOld = now - Date.parse(String(event["lastTimestamp"])) >= TTL_MS;
      if (index >= tooMany && !isOld) continue;
      const { name, namespace = "" } = event.metadata;
      store.delete({ kind: "Event", namespace, name });
    }
    if (this.names.size <= 2 * MOST_EVENTS) return;
    const present = new Set(store.all({ kind: "Event" }).map(({ metadata }) => metadata.name));
    for (const [key, name] of this.names) if (!present.has(name)) this.names.delete(key);
  }

  /** From now on what happens is written at once, until the function that it gives is called. */
  follow(): () => void {
    this.followers += 1;
    return () => {
      this.followers -= 1;
    };
  }

  private writeOne({ about, reason, message, component, host, atMs }: Happening): void {
    const { store } = this;
    const { namespace, name: aboutName } = about;
    const home = store.get("Namespace", namespace);
    // Nothing can be created in a namespace that is on its way out.
    if (home === undefined || home.metadata.deletionTimestamp !== undefined) return;
    const key = JSON.stringify([about.kind, about.uid, about.fieldPath, reason, message]);
    const at = apiTime(atMs);
    const before = this.names.get(key);
    const present = before === undefined ? undefined : store.find({ kind: "Event", namespace, name: before });
    if (present !== undefined) {
      store.update({ ...present, count: Number(present["count"] ?? 1) + 1, lastTimestamp: at });
      return;
    }
    const name = `${aboutName}.${this.nextSuffix(atMs)}`;
    this.names.set(key, name);
    const event: KubeObject = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: { ...about },
      type: "Normal",
      reason,
      message,
      count: 1,
      firstTimestamp: at,
      lastTimestamp: at,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? "",
    };
    store.create(event);
  }

  /** Nanoseconds as hexadecimal digits (client-go tools/record): lists, which are sorted by name, tell in the order of time. */
  private nextSuffix(atMs: number): string {
    const at = BigInt(Math.round(atMs)) * 1_000_000n;
    this.lastSuffix = at > this.lastSuffix ? at : this.lastSuffix + 1n;
    return this.lastSuffix.toString(16).padStart(16, "0");
  }

  private tell(about: About, reason: string, message: string, by: { component: string; host?: string }): void {
    this.happened.push({ about, reason, message, ...by, atMs: this.clock.nowMs() });
  }

  private see(event: StoreEvent): void {
    if (event.key === "ReplicaSet") this.seeScaling(event);
    else this.seePod(event.type, event.object as Pod, event.previous as Pod | undefined);
  }

  /** The Deployment's own controller sets the replicas of its sets. */
  private seeScaling({ type, object, previous }: StoreEvent): void {
    const owner = ownerOf(object);
    if (type === "DELETED" || owner?.kind !== "Deployment") return;
    const before = type === "ADDED" ? 0 : ((previous as ReplicaSet | undefined)?.spec.replicas ?? 1);
    const now = (object as ReplicaSet).spec.replicas ?? 1;
    if (now === before) return;
    const message = `Scaled ${now > before ? "up" : "down"} replica set ${object.metadata.name} from ${before} to ${now}`;
    this.tell(owner, "ScalingReplicaSet", message, { component: "deployment-controller" });
  }

  private seePod(type: StoreEvent["type"], pod: Pod, previous: Pod | undefined): void {
    const owner = ownerOf(pod);
    if (type === "ADDED") this.tellOwner(owner, "create", pod);
    const isEnding = type === "DELETED" || pod.metadata.deletionTimestamp !== undefined;
    if (isEnding) {
      if (previous?.metadata.deletionTimestamp === undefined) this.seeEnd(pod, previous ?? pod, owner);
      return;
    }
    const { nodeName } = pod.spec;
    // Of pods without an owner, a node that is there from the start was not the scheduler's choice.
    const isBound = previous === undefined ? owner?.kind === "DaemonSet" : previous.spec.nodeName === undefined;
    if (nodeName !== undefined && isBound) {
      const about = aboutOf(pod);
      const message = `Successfully assigned ${about.namespace}/${about.name} to ${nodeName}`;
      this.tell(about, "Scheduled", message, { component: "default-scheduler" });
    }
    this.seeStarts(pod, previous);
  }

  private seeStarts(pod: Pod, previous: Pod | undefined): void {
    if (pod.status?.containerStatuses === previous?.status?.containerStatuses) return;
    for (const { name, image, state, restartCount } of pod.status?.containerStatuses ?? []) {
      const before = previous?.status?.containerStatuses?.find((each) => each.name === name);
      const isSame = before?.state["running"] !== undefined && before.restartCount === restartCount;
      if (state["running"] === undefined || isSame) continue;
      this.tellKubelet(pod, name, "Pulled", `Container image "${image}" already present on machine`);
      this.tellKubelet(pod, name, "Created", `Created container: ${name}`);
      this.tellKubelet(pod, name, "Started", `Started container ${name}`);
    }
  }

  private seeEnd(pod: Pod, last: Pod, owner: About | undefined): void {
    for (const { name, state } of last.status?.containerStatuses ?? [])
      if (state["running"] !== undefined) this.tellKubelet(pod, name, "Killing", `Stopping container ${name}`);
    if (owner !== undefined && this.isSurplus(owner)) this.tellOwner(owner, "delete", pod);
  }

  /** Whether the owner has as many pods as it wants without the one that goes: then it was the owner who let it go. */
  private isSurplus(owner: About): boolean {
    const known = this.surplus.get(owner.uid);
    if (known !== undefined) return known;
    const found = this.hasEnough(owner);
    this.surplus.set(owner.uid, found);
    return found;
  }

  private hasEnough({ kind, uid, name, namespace }: About): boolean {
    if (kind !== "ReplicaSet" && kind !== "StatefulSet") return false;
    const set = this.store.get(kind, name, namespace);
    if (set === undefined || set.metadata.uid !== uid || set.metadata.deletionTimestamp !== undefined) return false;
    return controlledBy<Pod>(this.store, uid, "Pod").filter(isActive).length >= (set.spec.replicas ?? 1);
  }

  private tellOwner(owner: About | undefined, verb: "create" | "delete", pod: Pod): void {
    const maker = owner === undefined ? undefined : MAKERS[owner.kind];
    if (owner === undefined || maker === undefined) return;
    const reason = verb === "create" ? "SuccessfulCreate" : "SuccessfulDelete";
    const { component, text } = maker;
    this.tell(owner, reason, text(verb, pod.metadata.name, owner.name), { component });
  }

  private tellKubelet(pod: Pod, container: string, reason: string, message: string): void {
    const about = { ...aboutOf(pod), fieldPath: `spec.containers{${container}}` };
    const { nodeName: host } = pod.spec;
    this.tell(about, reason, message, { component: "kubelet", ...(host === undefined ? {} : { host }) });
  }
}

function aboutOf({ apiVersion, kind, metadata: { name, namespace = "default", uid = "" } }: KubeObject): About {
  return { apiVersion, kind, namespace, name, uid };
}

/** The object's controller, which is in its namespace. */
function ownerOf({ metadata }: KubeObject): About | undefined {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  if (owner === undefined) return undefined;
  const { apiVersion, kind, name, uid } = owner;
  return { apiVersion, kind, namespace: metadata.namespace ?? "default", name, uid };
}
