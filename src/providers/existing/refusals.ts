import { LabError, type Span } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { EndpointRef, Plan, PlannedObject, PlannedStep } from "../../plan/types.ts";
import type { ObjectRef } from "../types.ts";

type Planned = Pick<Plan, "scenario" | "probes" | "tasks">;

/** Kinds of the whole cluster that a manifest may give a namespace all the same; the API drops it. */
const CLUSTER_WIDE = new Set([
  "APIService",
  "CertificateSigningRequest",
  "ClusterRole",
  "ClusterRoleBinding",
  "CSIDriver",
  "CustomResourceDefinition",
  "FlowSchema",
  "GatewayClass",
  "IngressClass",
  "MutatingWebhookConfiguration",
  "Node",
  "PersistentVolume",
  "PriorityClass",
  "RuntimeClass",
  "StorageClass",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration",
]);

/** Namespaces that every cluster has, and ours. */
const RESERVED = /^(default|kube-.*|cnilab-(system|agents)-.*)$/;

/** Why an object cannot be put into a cluster that is not ours; undefined where it can. `own` are the lab's namespaces. */
export function objectRefusal(
  { kind, apiVersion, metadata }: KubeObject,
  own: ReadonlySet<string>,
): string | undefined {
  const { name, namespace } = metadata;
  if (kind === "Namespace" && apiVersion === "v1") {
    return RESERVED.test(name) ? `namespace ${name} is not the lab's to make` : undefined;
  }
  if (CLUSTER_WIDE.has(kind)) return `${kind} ${name} is of the whole cluster, and the cluster is not the lab's alone`;
  if (namespace === undefined) {
    return `${kind} ${name} names no namespace, so that it is in default or of the whole cluster, and neither is the lab's`;
  }
  return own.has(namespace) ? undefined : `${kind} ${namespace}/${name} is in a namespace that the lab does not create`;
}

/** Names of the namespaces that a lab's manifests create. */
export function namespacesOf({ scenario, tasks }: Pick<Planned, "scenario" | "tasks">): Set<string> {
  const objects = objectsOf({ scenario, tasks }).map(({ object }) => object);
  const names = objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name);
  return new Set(names.filter((name) => !RESERVED.test(name)));
}

/** Everything that a lab applies, reference solutions included. */
export function objectsOf({ scenario, tasks }: Pick<Planned, "scenario" | "tasks">): PlannedObject[] {
  return [...scenario.flatMap(({ objects }) => objects), ...tasks.flatMap(({ solution }) => solution)];
}

/** Where an object of a manifest stands; its text is not kept in a plan. */
export function spanOf({ file, line }: PlannedObject): Span {
  return { file, line, column: 1, length: 1, lineText: "" };
}

/** What of a lab would touch more of a cluster than namespaces of its own; each once. */
export function refusals(lab: Planned): LabError[] {
  const own = namespacesOf(lab);
  const found = new Map<string, LabError>();
  const refuse = (message: string, span: Span | undefined): void => {
    const error = new LabError("PLAN_NOT_OURS", `provider existing: ${message}`, {
      hint: "the lab may create namespaces and what is in them",
      span,
    });
    found.set(`${span?.file}:${span?.line} ${message}`, error);
  };
  for (const planned of objectsOf(lab)) {
    const reason = objectRefusal(planned.object, own);
    if (reason !== undefined) refuse(reason, spanOf(planned));
  }
  for (const step of lab.scenario) {
    for (const { kind, namespace, name } of changedBy(step)) {
      const place = kind === "Namespace" ? name : namespace;
      if (place === undefined || !own.has(place)) {
        const what = namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
        refuse(`a step ${step.kind} changes ${what}, which is not the lab's`, step.span);
      }
    }
  }
  for (const { name, from, span } of lab.probes) {
    if ((from?.kind === "pod" || from?.kind === "workload") && !own.has(from.namespace)) {
      refuse(`probe ${JSON.stringify(name)} starts in namespace ${from.namespace}, which is not the lab's`, span);
    }
  }
  return [...found.values()];
}

/** What steps other than `apply` change by reference. */
function changedBy({ kind, options }: PlannedStep): ObjectRef[] {
  if (kind === "fault") {
    const { target } = options as { target?: EndpointRef };
    return target?.kind === "pod" || target?.kind === "workload"
      ? [{ kind: target.kind, namespace: target.namespace, name: target.name }]
      : [];
  }
  return kind === "delete" || kind === "scale" ? refsIn(options) : [];
}

function refsIn(value: unknown): ObjectRef[] {
  if (typeof value !== "object" || value === null) return [];
  const { kind, name, namespace } = value as Partial<Record<keyof ObjectRef, unknown>>;
  if (typeof kind === "string" && typeof name === "string") {
    return [{ kind, name, ...(typeof namespace === "string" ? { namespace } : {}) }];
  }
  return Object.values(value).flatMap(refsIn);
}
