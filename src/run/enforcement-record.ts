import { createHash } from "node:crypto";
import { isAdminPolicy } from "../kube/admin-policy-types.ts";
import type { KubeObject } from "../kube/types.ts";
import type { EnforcedFlow } from "../probes/enforcement.ts";
import { orderedJson } from "./object-edits.ts";
import { keyOf } from "./reference-objects.ts";

/** A flow that was watched, of the probe of that name. */
export interface RecordedFlow extends EnforcedFlow {
  probe: string;
  /** When the change was accepted, ISO 8601. */
  at: string;
}

/** What a change did that no request shows. One line for people. */
export interface Unseen {
  probe: string;
  what: string;
}

/** What watched changes of policies showed, since the lab was up or reset. */
export interface EnforcementRecord {
  /** {@link policyDigest} after the last of them: policies that are others now were changed by a hand that did not watch. */
  policies: string;
  /** The last measurement of each flow. */
  flows: RecordedFlow[];
  /** Of the last change that each probe is about. */
  unseen: Unseen[];
}

/** What one watched change showed. */
export interface WatchedChange {
  before: string;
  after: string;
  /** Flows that the policies treat otherwise since: what was measured of them before is of the past. */
  changed: readonly { probe: string; flow: string }[];
  flows: readonly RecordedFlow[];
  unseen: readonly Unseen[];
}

/** Whether an object is one that policies are made of. */
export function isAnyPolicy(object: KubeObject): boolean {
  return object.kind === "NetworkPolicy" || isAdminPolicy(object);
}

/** Equal where the policies among these objects are. */
export function policyDigest(objects: readonly KubeObject[]): string {
  const policies = objects
    .filter(isAnyPolicy)
    .map((object) => orderedJson([keyOf(object), object["spec"]]))
    .toSorted();
  return createHash("sha256").update(JSON.stringify(policies)).digest("hex");
}

/** The record with one more change. What was measured before a change that nobody watched is forgotten: nobody knows what of it holds. */
export function addChange(
  earlier: EnforcementRecord | undefined,
  { before, after, changed, flows, unseen }: WatchedChange,
): EnforcementRecord {
  const known = earlier?.policies === before ? earlier : { flows: [], unseen: [] };
  const idOf = ({ probe, flow }: { probe: string; flow: string }): string => JSON.stringify([probe, flow]);
  const replaced = new Set(changed.map(idOf));
  const touched = new Set(changed.map(({ probe }) => probe));
  return {
    policies: after,
    flows: [...known.flows.filter((each) => !replaced.has(idOf(each))), ...flows],
    unseen: [...known.unseen.filter(({ probe }) => !touched.has(probe)), ...unseen],
  };
}
