import { isRecord } from "../../core/is-record.ts";
import type { DaemonSet, StatefulSet } from "../../kube/set-types.ts";
import type {
  Container,
  Deployment,
  KubeObject,
  NetworkPolicy,
  PodSpec,
  PodTemplateSpec,
  ReplicaSet,
  Service,
} from "../../kube/types.ts";
import { fillAutoscalerDefaults, type HorizontalPodAutoscaler } from "../../kube/autoscaling.ts";
import { qosClassOf } from "../../kube/qos-class.ts";
import { namespaceLabels } from "../../kube/selectors.ts";
import type { AdmissionRule } from "../store/store.ts";

/** Fills in what the API server fills in (the zz_generated.defaults of each API group), as far as something here reads it. */
export const fillDefaults: AdmissionRule = (draft, { operation, key }) => {
  if (operation === "delete") return;
  if (Object.hasOwn(defaults, key)) defaults[key]?.(draft);
  // registry/core/pod/strategy.go PrepareForCreate
  if (key === "Pod" && operation === "create")
    draft["status"] = { phase: "Pending", qosClass: qosClassOf(draft["spec"] as PodSpec) };
};

const defaults: Readonly<Record<string, (draft: KubeObject) => void>> = {
  Namespace(draft) {
    draft.metadata.labels = namespaceLabels(draft.metadata.name, draft.metadata.labels);
    // An empty list is how the namespace controller lets go; only an absent one is filled in.
    draft["spec"] ??= { finalizers: ["kubernetes"] };
  },
  Pod(draft) {
    const spec = draft["spec"] as PodSpec;
    podSpecDefaults(spec);
    spec["enableServiceLinks"] ??= true;
    // Of the plugins ServiceAccount and Priority.
    spec["serviceAccountName"] ??= "default";
    spec["serviceAccount"] ??= spec["serviceAccountName"];
    spec["preemptionPolicy"] ??= "PreemptLowerPriority";
    spec["priority"] ??= PRIORITIES[String(spec["priorityClassName"])] ?? 0;
  },
  ReplicaSet(draft) {
    const { spec } = draft as ReplicaSet;
    spec.replicas ??= 1;
    templateDefaults(spec.template);
  },
  Deployment(draft) {
    const { spec } = draft as Deployment;
    spec.replicas ??= 1;
    spec["revisionHistoryLimit"] ??= 10;
    spec["progressDeadlineSeconds"] ??= 600;
    const strategy = (spec["strategy"] ??= {}) as { type?: string; rollingUpdate?: Record<string, unknown> };
    strategy.type ??= "RollingUpdate";
    if (strategy.type === "RollingUpdate")
      strategy.rollingUpdate = { maxSurge: "25%", maxUnavailable: "25%", ...strategy.rollingUpdate };
    templateDefaults(spec.template);
  },
  StatefulSet(draft) {
    const { spec } = draft as StatefulSet;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.podManagementPolicy ??= "OrderedReady";
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ??= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate")
      spec.updateStrategy.rollingUpdate = { partition: 0, ...spec.updateStrategy.rollingUpdate };
    templateDefaults(spec.template);
  },
  DaemonSet(draft) {
    const { spec } = draft as DaemonSet;
    spec.revisionHistoryLimit ??= 10;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ??= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate")
      spec.updateStrategy.rollingUpdate = { maxUnavailable: 1, maxSurge: 0, ...spec.updateStrategy.rollingUpdate };
    templateDefaults(spec.template);
  },
  Service(draft) {
    const { spec } = draft as Service;
    spec.type ??= "ClusterIP";
    spec.sessionAffinity ??= "None";
    if (spec.sessionAffinity === "ClientIP")
      spec["sessionAffinityConfig"] ??= { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
    else delete spec["sessionAffinityConfig"];
    if (spec.type === "NodePort" || spec.type === "LoadBalancer") spec["externalTrafficPolicy"] ??= "Cluster";
    for (const port of spec.ports ?? []) {
      port.protocol ??= "TCP";
      // Go's clients send what is not set as 0 (core/v1 SetDefaults_Service).
      if (port.targetPort === 0 || port.targetPort === "") delete port.targetPort;
      if (spec.type !== "ExternalName") port.targetPort ??= port.port;
    }
    if (spec.type !== "ExternalName") spec["internalTrafficPolicy"] ??= "Cluster";
  },
  CustomResourceDefinition(draft) {
    const { spec } = draft;
    if (!isRecord(spec)) return;
    spec["conversion"] ??= { strategy: "None" };
    const { names } = spec;
    if (!isRecord(names) || typeof names["kind"] !== "string") return;
    names["singular"] ??= names["kind"].toLowerCase();
    names["listKind"] ??= `${names["kind"]}List`;
  },
  Secret(draft) {
    draft["type"] ??= "Opaque";
  },
  HorizontalPodAutoscaler: (draft) => fillAutoscalerDefaults(draft as HorizontalPodAutoscaler),
  NetworkPolicy(draft) {
    const { spec } = draft as NetworkPolicy;
    spec.policyTypes ??= spec.egress !== undefined && spec.egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
      for (const port of rule.ports ?? []) port.protocol ??= "TCP";
  },
};

/** The two classes that every cluster has. */
const PRIORITIES: Readonly<Record<string, number>> = {
  "system-cluster-critical": 2_000_000_000,
  "system-node-critical": 2_000_001_000,
};

/** Three hours (core/v1 DefaultClientIPServiceAffinitySeconds). */
const AFFINITY_SECONDS = 10_800;

function templateDefaults(template: PodTemplateSpec): void {
  podSpecDefaults(template.spec);
}

function podSpecDefaults(spec: PodSpec): void {
  spec.restartPolicy ??= "Always";
  spec.dnsPolicy ??= "ClusterFirst";
  spec["terminationGracePeriodSeconds"] ??= 30;
  spec["securityContext"] ??= {};
  spec["schedulerName"] ??= "default-scheduler";
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) containerDefaults(container, spec);
}

function containerDefaults(container: Container, spec: PodSpec): void {
  const tag = container.image.slice(container.image.lastIndexOf("/") + 1);
  container["imagePullPolicy"] ??= !/[:@]/.test(tag) || tag.endsWith(":latest") ? "Always" : "IfNotPresent";
  container["resources"] ??= {};
  container["terminationMessagePath"] ??= "/dev/termination-log";
  container["terminationMessagePolicy"] ??= "File";
  for (const port of container.ports ?? []) {
    port.protocol ??= "TCP";
    if (spec.hostNetwork === true) port.hostPort ??= port.containerPort;
  }
}
