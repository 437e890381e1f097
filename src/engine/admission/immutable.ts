import { LabError } from "../../core/errors.ts";
import { isRecord } from "../../core/is-record.ts";
import type { KubeObject, Pod, PodSpec, Service } from "../../kube/types.ts";
import { equalJson } from "../store/json.ts";
import { describe } from "../store/object-parts.ts";
import { FieldError } from "./field-error.ts";
import type { AdmissionRule } from "../store/store.ts";

/** Refuses changes of fields that the API fixes at creation (FIELD_IMMUTABLE), and deletion of namespaces it needs. */
export const refuseForbiddenChanges: AdmissionRule = (draft, { operation, key, old }) => {
  if (operation === "delete" && key === "Namespace" && immortal.has(draft.metadata.name)) {
    throw new LabError("NAMESPACE_PROTECTED", `namespace "${draft.metadata.name}" cannot be deleted`, {
      hint: "delete the objects in it instead",
    });
  }
  if (operation === "update" && old !== undefined && Object.hasOwn(checks, key)) checks[key]?.(draft, old);
};

/** Of the NamespaceLifecycle admission plugin. */
const immortal = new Set(["default", "kube-system", "kube-public"]);

const checks: Readonly<Record<string, (draft: KubeObject, old: KubeObject) => void>> = {
  Deployment: checkSelector,
  ReplicaSet: checkSelector,
  StatefulSet: checkStatefulSet,
  DaemonSet: checkSelector,
  Service: (draft, old) => checkService(draft as Service, old as Service),
  Pod: (draft, old) => checkPod(draft as Pod, old as Pod),
  IngressClass(draft, old) {
    const controllerOf = ({ spec }: KubeObject): unknown => (isRecord(spec) ? spec["controller"] : undefined);
    if (controllerOf(draft) !== controllerOf(old)) throw immutable(draft, "spec.controller", controllerOf(draft));
  },
  EndpointSlice(draft, old) {
    if (draft["addressType"] !== old["addressType"]) throw immutable(draft, "addressType", draft["addressType"]);
  },
};

function checkSelector(draft: KubeObject, old: KubeObject): void {
  const selector = (object: KubeObject): unknown => (isRecord(object["spec"]) ? object["spec"]["selector"] : undefined);
  if (!equalJson(selector(draft), selector(old))) throw immutable(draft, "spec.selector", selector(draft));
}

/** The other fields are fixed (apps validation.go, ValidateStatefulSetUpdate). */
const CHANGEABLE = new Set([
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
]);

function checkStatefulSet(draft: KubeObject, old: KubeObject): void {
  const [next, before] = [draft, old].map(({ spec }) => (isRecord(spec) ? spec : {}));
  for (const field of new Set([...Object.keys(next ?? {}), ...Object.keys(before ?? {})]))
    if (!CHANGEABLE.has(field) && !equalJson(next?.[field], before?.[field]))
      throw immutable(draft, `spec.${field}`, next?.[field]);
}

function checkService(draft: Service, old: Service): void {
  const hasAddress = (service: Service): boolean => service.spec.type !== "ExternalName";
  if (!hasAddress(draft) || !hasAddress(old)) return;
  if (draft.spec.clusterIP !== old.spec.clusterIP)
    throw immutable(draft, "spec.clusterIPs[0]", [draft.spec.clusterIP], "may not change once set");
  const [first, second] = draft.spec.clusterIPs ?? [];
  const [primary, secondary] = old.spec.clusterIPs ?? [];
  // A second one comes and goes with ipFamilyPolicy.
  if (first !== primary || (second !== undefined && secondary !== undefined && second !== secondary))
    throw immutable(draft, "spec.clusterIPs", draft.spec.clusterIPs, "may not change once set");
  if (draft.spec.ipFamilies?.[0] !== old.spec.ipFamilies?.[0] && draft.spec.ipFamilies !== undefined)
    throw immutable(draft, "spec.ipFamilies[0]", draft.spec.ipFamilies[0], "may not change once set");
}

/** Only images, tolerations, the deadline and the binding to a node may change in a pod's spec (ValidatePodUpdate). */
function checkPod(draft: Pod, old: Pod): void {
  const fixed = ({ containers, initContainers, tolerations: _, nodeName, ...rest }: PodSpec): unknown => {
    const deadlines = { activeDeadlineSeconds: undefined, terminationGracePeriodSeconds: undefined };
    const bare = (list: PodSpec["containers"] | undefined): unknown =>
      list?.map(({ image: _image, ...container }) => container);
    return {
      ...rest,
      ...deadlines,
      containers: bare(containers),
      initContainers: bare(initContainers),
      nodeName: old.spec.nodeName === undefined ? "" : nodeName,
    };
  };
  if (!equalJson(fixed(draft.spec), fixed(old.spec))) {
    throw new FieldError(
      "FIELD_IMMUTABLE",
      `${describe(draft)}: only images and tolerations of a pod's spec can change`,
      { field: "spec", value: draft.spec, detail: "only images, tolerations and the deadline may change" },
      {
        hint: "delete the pod and create it again, or change the Deployment that makes it",
      },
    );
  }
}

function immutable(object: KubeObject, field: string, value: unknown, detail = "field is immutable"): FieldError {
  return new FieldError(
    "FIELD_IMMUTABLE",
    `${describe(object)}: ${field} cannot change once the object exists`,
    { field, value, detail },
    { hint: "delete the object and create it again" },
  );
}
