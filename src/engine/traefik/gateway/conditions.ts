import type { Condition } from "../../../kube/gateway/gateway-types.ts";

/** A condition before it is known whether it is new. */
export type Told = Omit<Condition, "lastTransitionTime">;

/** One of an object of that generation. */
export function told(
  type: string,
  status: boolean,
  reason: string,
  { message = "", generation }: { message?: string; generation: number | undefined },
): Told {
  return {
    type,
    status: status ? "True" : "False",
    reason,
    message,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}
