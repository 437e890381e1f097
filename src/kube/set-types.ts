import type { IntOrString, KubeObject, LabelSelector, PodTemplateSpec } from "./types.ts";

export interface StatefulSet extends KubeObject {
  kind: "StatefulSet";
  spec: {
    replicas?: number;
    selector: LabelSelector;
    template: PodTemplateSpec;
    /** The headless Service whose name the pods' own names end in. */
    serviceName?: string;
    podManagementPolicy?: "OrderedReady" | "Parallel";
    updateStrategy?: {
      type?: "RollingUpdate" | "OnDelete";
      rollingUpdate?: { partition?: number; maxUnavailable?: IntOrString };
    };
    /** Number of the first pod, default 0. */
    ordinals?: { start?: number };
    minReadySeconds?: number;
    revisionHistoryLimit?: number;
    [field: string]: unknown;
  };
  status?: {
    observedGeneration?: number;
    replicas: number;
    readyReplicas?: number;
    availableReplicas?: number;
    currentReplicas?: number;
    updatedReplicas?: number;
    currentRevision?: string;
    updateRevision?: string;
  };
}

export interface DaemonSet extends KubeObject {
  kind: "DaemonSet";
  spec: {
    selector: LabelSelector;
    template: PodTemplateSpec;
    updateStrategy?: {
      type?: "RollingUpdate" | "OnDelete";
      rollingUpdate?: { maxUnavailable?: IntOrString; maxSurge?: IntOrString };
    };
    minReadySeconds?: number;
    revisionHistoryLimit?: number;
    [field: string]: unknown;
  };
  status?: {
    observedGeneration?: number;
    currentNumberScheduled: number;
    desiredNumberScheduled: number;
    numberMisscheduled: number;
    numberReady: number;
    updatedNumberScheduled?: number;
    numberAvailable?: number;
    numberUnavailable?: number;
  };
}

/** apps/v1: a state that a StatefulSet or DaemonSet had, by which its pods are told apart. */
export interface ControllerRevision extends KubeObject {
  kind: "ControllerRevision";
  revision: number;
  data: { spec: { template: PodTemplateSpec } };
}
