import { describe, expect, it } from "vitest";
import { isSetOfPods, rolloutGap } from "../../../src/kube/rollout.ts";
import type { DaemonSet, StatefulSet } from "../../../src/kube/set-types.ts";
import type { Deployment } from "../../../src/kube/types.ts";

const parts = { selector: {}, template: { spec: { containers: [] } } };

function statefulSet(status: StatefulSet["status"], spec: Partial<StatefulSet["spec"]> = {}): StatefulSet {
  const base = { apiVersion: "apps/v1", kind: "StatefulSet" as const, metadata: { name: "db", generation: 2 } };
  return { ...base, spec: { replicas: 3, ...parts, ...spec }, ...(status === undefined ? {} : { status }) };
}

function daemonSet(status: Partial<DaemonSet["status"]>, spec: Partial<DaemonSet["spec"]> = {}): DaemonSet {
  const counts = { currentNumberScheduled: 2, desiredNumberScheduled: 2, numberMisscheduled: 0, numberReady: 2 };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent", generation: 1 },
    spec: { ...parts, ...spec },
    status: { ...counts, observedGeneration: 1, ...status },
  };
}

describe("what a rollout lacks", () => {
  it.each<[string, StatefulSet | DaemonSet, string | undefined]>([
    ["no status", statefulSet(undefined), "its controller has not seen it yet"],
    ["an old status", statefulSet({ observedGeneration: 1, replicas: 3 }), "its controller has not seen it yet"],
    ["pods", statefulSet({ observedGeneration: 2, replicas: 2, readyReplicas: 2 }), "2 of 3 pods ready"],
    [
      "updates",
      statefulSet({
        observedGeneration: 2,
        replicas: 3,
        readyReplicas: 3,
        updatedReplicas: 1,
        currentRevision: "a",
        updateRevision: "b",
      }),
      "1 of 3 pods updated",
    ],
    [
      "nothing beyond a partition",
      statefulSet(
        {
          observedGeneration: 2,
          replicas: 3,
          readyReplicas: 3,
          updatedReplicas: 1,
          currentRevision: "a",
          updateRevision: "b",
        },
        { updateStrategy: { rollingUpdate: { partition: 2 } } },
      ),
      undefined,
    ],
    ["a node's update", daemonSet({ updatedNumberScheduled: 1, numberAvailable: 2 }), "1 of 2 pods updated"],
    ["a node's pod", daemonSet({ updatedNumberScheduled: 2, numberAvailable: 1 }), "1 of 2 pods available"],
    ["nothing", daemonSet({ updatedNumberScheduled: 2, numberAvailable: 2 }), undefined],
    ["nothing by itself", daemonSet({ numberAvailable: 2 }, { updateStrategy: { type: "OnDelete" } }), undefined],
  ])("%s", (_what, object, gap) => {
    expect(isSetOfPods(object)).toBe(true);
    expect(rolloutGap(object)).toBe(gap);
  });
});

describe("what a Deployment's rollout lacks", () => {
  const web = (status: Record<string, number>): Deployment =>
    ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", generation: 2 },
      spec: { replicas: 3, ...parts },
      status: { observedGeneration: 2, ...status },
    }) as Deployment;

  it.each<[string, Deployment, string | undefined]>([
    ["to be seen", web({ observedGeneration: 1, replicas: 3 }), "its controller has not seen it yet"],
    ["updates", web({ replicas: 4, updatedReplicas: 1, availableReplicas: 3 }), "1 of 3 pods updated"],
    ["to lose old pods", web({ replicas: 4, updatedReplicas: 3, availableReplicas: 4 }), "1 old pods are still there"],
    ["pods", web({ replicas: 3, updatedReplicas: 3, availableReplicas: 2 }), "2 of 3 updated pods available"],
    ["nothing", web({ replicas: 3, updatedReplicas: 3, availableReplicas: 3 }), undefined],
  ])("%s", (_what, object, gap) => {
    expect(isSetOfPods(object)).toBe(false);
    expect(rolloutGap(object)).toBe(gap);
  });
});
