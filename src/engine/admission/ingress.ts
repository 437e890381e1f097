import { ingressProblems } from "../../kube/ingress-rules.ts";
import { formatPath } from "../../kube/manifest-findings.ts";
import { describe } from "../store/object-parts.ts";
import type { AdmissionRule } from "../store/store.ts";
import { FieldError } from "./field-error.ts";

/** Refuses Ingresses as the API server does (OBJECT_INVALID): by the first field that is wrong. */
export const checkIngress: AdmissionRule = (draft, { operation, key }) => {
  if (operation === "delete" || key !== "Ingress") return;
  const [problem] = ingressProblems(draft, operation === "create");
  if (problem === undefined) return;
  const { path, value, detail, reason } = problem;
  const field = path[0] === "annotations" ? `annotations.${String(path[1])}` : formatPath(path);
  const told = detail === "" ? "is required" : detail;
  throw new FieldError("OBJECT_INVALID", `${describe(draft)}: ${field}: ${told}`, {
    field,
    value,
    detail,
    ...(reason === undefined ? {} : { reason }),
  });
};
