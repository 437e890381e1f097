import { fillGatewayDefaults, gatewayProblems } from "../../kube/gateway/check-gateway.ts";
import { describe } from "../store/object-parts.ts";
import type { AdmissionRule } from "../store/store.ts";
import { FieldError } from "./field-error.ts";

/** Fills in and refuses what the definitions of the Gateway API do (OBJECT_INVALID), whoever writes: a lab's own objects do not pass the API server. */
export const checkGatewayApi: AdmissionRule = (draft, { operation }) => {
  if (operation === "delete") return;
  fillGatewayDefaults(draft);
  const [problem] = gatewayProblems(draft);
  if (problem === undefined) return;
  const { field, value, why, isMissing } = problem;
  throw new FieldError("OBJECT_INVALID", `${describe(draft)}: ${field}: ${isMissing ? "is required" : why}`, {
    field,
    value,
    detail: why,
    ...(isMissing ? { reason: "required" as const } : {}),
  });
};
