import type { Service } from "../../kube/types.ts";
import { TRAFFIC_DISTRIBUTIONS } from "../controllers/endpoint-hints.ts";
import { describe } from "../store/object-parts.ts";
import type { AdmissionRule } from "../store/store.ts";
import { FieldError } from "./field-error.ts";

/** Refuses a Service's trafficDistribution that the API does not know (apis/core/validation, ValidateService). */
export const checkTrafficDistribution: AdmissionRule = (draft, { operation, key }) => {
  if (operation === "delete" || key !== "Service") return;
  const { trafficDistribution: value } = (draft as Service).spec;
  if (value === undefined || TRAFFIC_DISTRIBUTIONS.includes(value)) return;
  const known = TRAFFIC_DISTRIBUTIONS.toSorted().map((each) => JSON.stringify(each));
  const detail = `supported values: ${known.join(", ")}`;
  throw new FieldError(
    "OBJECT_INVALID",
    `${describe(draft)}: spec.trafficDistribution ${JSON.stringify(value)} is not known; ${detail}`,
    { field: "spec.trafficDistribution", value, detail },
  );
};
