import { expect, it } from "vitest";
import { NormalEvents } from "../../../src/engine/normal-events.ts";
import { ObjectStore } from "../../../src/engine/store/store.ts";
import type { KubeObject, Pod } from "../../../src/kube/types.ts";
import { HandClock } from "./hand-clock.ts";
import { useControlPlane } from "./use-control-plane.ts";
import { pod } from "./store/objects.ts";

const at = useControlPlane();

function deployment(replicas: number): KubeObject {
  const labels = { app: "web" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "main", image: "nginx" }] } },
    },
  };
}

function events(): KubeObject[] {
  at.plane.events.write();
  return at.plane.store.all({ kind: "Event", namespace: "default" });
}

/** `Deployment ScalingReplicaSet deployment-controller`, with how often it was where that is more than once; sorted. */
function told(): string[] {
  return events()
    .map(({ involvedObject, reason, source, count }) => {
      const { kind } = involvedObject as { kind: string };
      const { component } = source as { component: string };
      return `${kind} ${String(reason)} ${component}${count === 1 ? "" : ` x${String(count)}`}`;
    })
    .toSorted();
}

it("tells of a pod from its node to its end, and nothing before it is asked", async () => {
  await at.applied(pod("web", { spec: { containers: [{ name: "main", image: "nginx:1" }] } }));
  expect(at.plane.store.all({ kind: "Event" })).toEqual([]);
  const { uid } = at.plane.store.get("Pod", "web", "default")?.metadata ?? {};
  const node = at.plane.store.get("Pod", "web", "default")?.spec.nodeName ?? "";
  const container = {
    kind: "Pod",
    apiVersion: "v1",
    namespace: "default",
    name: "web",
    uid,
    fieldPath: "spec.containers{main}",
  };
  expect(
    events().map(({ reason, message, involvedObject, source, type, count }) => [
      reason,
      message,
      involvedObject,
      source,
      type,
      count,
    ]),
  ).toEqual([
    [
      "Scheduled",
      `Successfully assigned default/web to ${node}`,
      { kind: "Pod", apiVersion: "v1", namespace: "default", name: "web", uid },
      { component: "default-scheduler" },
      "Normal",
      1,
    ],
    [
      "Pulled",
      'Container image "nginx:1" already present on machine',
      container,
      { component: "kubelet", host: node },
      "Normal",
      1,
    ],
    ["Created", "Created container: main", container, { component: "kubelet", host: node }, "Normal", 1],
    ["Started", "Started container main", container, { component: "kubelet", host: node }, "Normal", 1],
  ]);
  await at.plane.delete([{ kind: "Pod", namespace: "default", name: "web" }]);
  expect(events().at(-1)).toMatchObject({
    reason: "Killing",
    message: "Stopping container main",
    reportingComponent: "kubelet",
  });
});

it("tells who made pods and let them go: a pod that somebody deleted is not its owner's doing", async () => {
  await at.applied(deployment(2));
  const made = [
    "Deployment ScalingReplicaSet deployment-controller",
    ...["Created", "Pulled", "Scheduled", "Started"].flatMap((reason) => {
      const line = `Pod ${reason} ${reason === "Scheduled" ? "default-scheduler" : "kubelet"}`;
      return [line, line];
    }),
    "ReplicaSet SuccessfulCreate replicaset-controller",
    "ReplicaSet SuccessfulCreate replicaset-controller",
  ];
  expect(told()).toEqual(made.toSorted());
  const [set] = at.plane.store.list("ReplicaSet", "default");
  const scaling = events().filter(({ reason }) => reason === "ScalingReplicaSet");
  expect(scaling.map(({ message }) => message)).toEqual([`Scaled up replica set ${set?.metadata.name} from 0 to 2`]);

  const [victim] = at.plane.store.list("Pod", "default");
  await at.plane.delete([{ kind: "Pod", namespace: "default", name: victim?.metadata.name ?? "" }]);
  await at.plane.settle();
  expect(told().filter((line) => line.includes("SuccessfulDelete"))).toEqual([]);
  expect(told().filter((line) => line.includes("SuccessfulCreate"))).toHaveLength(3);

  await at.applied(deployment(1));
  expect(told().filter((line) => line.includes("SuccessfulDelete"))).toEqual([
    "ReplicaSet SuccessfulDelete replicaset-controller",
  ]);
  expect(told().filter((line) => line.includes("Killing"))).toHaveLength(2);
});

it("counts what happens again", async () => {
  await at.applied(deployment(1));
  await at.applied(deployment(0));
  await at.applied(deployment(1));
  const scaled = events().filter(({ reason }) => reason === "ScalingReplicaSet");
  expect(scaled.map(({ message, count }) => [String(message).replace(/set \S+/, "set"), count])).toEqual([
    ["Scaled up replica set from 0 to 1", 2],
    ["Scaled down replica set from 1 to 0", 1],
  ]);
});

it("forgets what is an hour old, whether anybody read it or not", async () => {
  const clock = new HandClock();
  const store = new ObjectStore({ clock });
  const log = new NormalEvents(store, clock);
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  const bind = async (name: string): Promise<void> => {
    const created = store.create(pod(name)) as Pod;
    store.updateWithStatus({ ...created, spec: { ...created.spec, nodeName: "worker1" } });
    // The store tells of changes in a microtask.
    await Promise.resolve();
  };
  const shown = (): unknown[] => {
    log.write();
    return store.all({ kind: "Event" }).map(({ message }) => message);
  };
  await bind("read");
  expect(shown()).toEqual(["Successfully assigned default/read to worker1"]);
  await bind("unread");
  clock.advance(3_599_000);
  await bind("late");
  expect(store.all({ kind: "Event" })).toHaveLength(1);
  clock.advance(1000);
  expect(shown()).toEqual(["Successfully assigned default/late to worker1"]);
  log.close();
});

it("keeps the newest thousand", async () => {
  await at.applied(deployment(300));
  const all = events();
  expect(all).toHaveLength(1000);
  expect(all.at(-1)?.["reason"]).toBe("Started");
});

it("writes at once while somebody follows", async () => {
  const end = at.plane.events.follow();
  await at.applied(pod("web"));
  const inStore = (): number => at.plane.store.all({ kind: "Event", namespace: "default" }).length;
  expect(inStore()).toBe(4);
  end();
  await at.plane.delete([{ kind: "Pod", namespace: "default", name: "web" }]);
  expect(inStore()).toBe(4);
});
