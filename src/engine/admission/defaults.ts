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
import { namespaceLabels } from "../../kube/selectors.ts";
import type { AdmissionRule } from "../store/store.ts";

/** Fills in what the API server fills in (the zz_generated.defaults of each API group), as far as something here reads it. */
export const fillDefaults: AdmissionRule = (draft, { operation, key }) => {
  if (operation === "delete") return;
  if (Object.hasOwn(defaults, key)) defaults[key]?.(draft);
};

const defaults: Readonly<Record<string, (draft: KubeObject) => void>> = {
  Namespace(draft) {
    draft.metadata.labels = namespaceLabels(draft.metadata.name, draft.metadata.labels);
    // An empty list is how the namespace controller lets go; only an absent one is filled in.
    draft["spec"] ??= { finalizers: ["kubernetes"] };
  },
  Pod(draft) {
    podSpecDefaults(draft["spec"] as PodSpec);
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
      if (spec.type !== "ExternalName") port.targetPort ??= port.port;
    }
    if (spec.type !== "ExternalName") spec["internalTrafficPolicy"] ??= "Cluster";
  },
  NetworkPolicy(draft) {
    const { spec } = draft as NetworkPolicy;
    spec.policyTypes ??= spec.egress !== undefined && spec.egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
      for (const port of rule.ports ?? []) port.protocol ??= "TCP";
  },
};

/** Three hours (core/v1 DefaultClientIPServiceAffinitySeconds). */
const AFFINITY_SECONDS = 10_800;

function templateDefaults(template: PodTemplateSpec): void {
  podSpecDefaults(template.spec);
}

function podSpecDefaults(spec: PodSpec): void {
  spec.restartPolicy ??= "Always";
  spec.dnsPolicy ??= "ClusterFirst";
  spec["enableServiceLinks"] ??= true;
  spec["terminationGracePeriodSeconds"] ??= 30;
  spec["schedulerName"] ??= "default-scheduler";
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) containerDefaults(container, spec);
}

function containerDefaults(container: Container, spec: PodSpec): void {
  const tag = container.image.slice(container.image.lastIndexOf("/") + 1);
  container["imagePullPolicy"] ??= !/[:@]/.test(tag) || tag.endsWith(":latest") ? "Always" : "IfNotPresent";
  for (const port of container.ports ?? []) {
    port.protocol ??= "TCP";
    if (spec.hostNetwork === true) port.hostPort ??= port.containerPort;
  }
}
