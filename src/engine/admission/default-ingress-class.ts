import { isRecord } from "../../core/is-record.ts";
import { CLASS_ANNOTATION, DEFAULT_CLASS_ANNOTATION } from "../../kube/ingress.ts";
import type { AdmissionRule } from "../store/store.ts";

/**
 * The plugin DefaultIngressClass (kubernetes plugin/pkg/admission/network/defaultingressclass): a new Ingress that names no class gets the default one;
 * of several the newest, and of those the first by name. An Ingress that was there before stays without.
 */
export const defaultIngressClass: AdmissionRule = (draft, { operation, key, store }) => {
  if (operation !== "create" || key !== "Ingress" || !isRecord(draft["spec"])) return;
  const { spec, metadata } = draft;
  if (spec["ingressClassName"] !== undefined || metadata.annotations?.[CLASS_ANNOTATION] !== undefined) return;
  const defaults = store
    .list("IngressClass")
    .filter((each) => each.metadata.annotations?.[DEFAULT_CLASS_ANNOTATION] === "true");
  const [first] = defaults.toSorted((one, other) => {
    const [ours = "", theirs = ""] = [one, other].map((each) => each.metadata.creationTimestamp);
    if (ours !== theirs) return ours < theirs ? 1 : -1;
    return one.metadata.name < other.metadata.name ? -1 : 1;
  });
  if (first !== undefined) spec["ingressClassName"] = first.metadata.name;
};
