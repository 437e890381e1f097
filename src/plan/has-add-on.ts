import type { AddOn, Plan } from "./types.ts";

/** Whether the lab has asked for it. */
export function hasAddOn({ realCluster }: Pick<Plan, "realCluster">, name: AddOn): boolean {
  return realCluster?.addOns.includes(name) ?? false;
}
