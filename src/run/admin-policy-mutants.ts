import type { YamlPath } from "../core/yaml-document.ts";
import type { AdminPolicy, AdminRule } from "../kube/admin-policy-types.ts";
import type { ObjectMutant } from "./mutants.ts";
import { withValue, without } from "./object-edits.ts";

const ACTIONS: Readonly<Record<AdminPolicy["kind"], readonly AdminRule["action"][]>> = {
  AdminNetworkPolicy: ["Allow", "Deny", "Pass"],
  BaselineAdminNetworkPolicy: ["Allow", "Deny"],
  ClusterNetworkPolicy: ["Accept", "Deny", "Pass"],
};

const HIGHEST_PRIORITY = 0;
const LOWEST_PRIORITY = 1000;

/**
 * Every way in which one place of a cluster-wide policy can be wrong that people get wrong: its tier, its priority, whom it is about, the
 * order of its rules, a rule's action, peers and ports. In the order of the fields; some may mean the same as the policy.
 */
export function adminPolicyMutants(policy: AdminPolicy): ObjectMutant[] {
  const { kind, spec } = policy;
  const made: ObjectMutant[] = [];
  const set = (change: ObjectMutant["change"], what: string, path: YamlPath, value: unknown): void => {
    made.push({ change, what, path, object: withValue(policy, path, value) });
  };
  const remove = (change: ObjectMutant["change"], what: string, path: YamlPath): void => {
    made.push({ change, what, path, object: without(policy, path) });
  };
  if (kind === "ClusterNetworkPolicy") {
    const other = spec.tier === "Baseline" ? "Admin" : "Baseline";
    set("changed", `tier ${other}`, ["spec", "tier"], other);
  }
  if (spec.priority !== undefined) {
    set("changed", `priority ${HIGHEST_PRIORITY}: before others`, ["spec", "priority"], HIGHEST_PRIORITY);
    set("changed", `priority ${LOWEST_PRIORITY}: behind others`, ["spec", "priority"], LOWEST_PRIORITY);
  }
  set("changed", "subject: every pod", ["spec", "subject"], { namespaces: {} });
  for (const [direction, field] of [
    ["ingress", "from"],
    ["egress", "to"],
  ] as const) {
    const rules = spec[direction] ?? [];
    for (const [index, rule] of rules.entries()) {
      const path: YamlPath = ["spec", direction, index];
      const name = `${direction} rule ${index + 1}`;
      remove("left out", `${name} left out`, path);
      for (const action of ACTIONS[kind].filter((each) => each !== rule.action)) {
        set("changed", `${name}: ${action} in place of ${rule.action}`, [...path, "action"], action);
      }
      const next = rules[index + 1];
      if (next !== undefined) {
        const swapped = rules.toSpliced(index, 2, next, rule);
        set("changed", `${name} behind rule ${index + 2}`, ["spec", direction], swapped);
      }
      set("changed", `${name}: all pods`, [...path, field], [{ namespaces: {} }]);
      const peers = rule[field] ?? [];
      if (peers.length > 1) {
        for (const at of peers.keys()) remove("left out", `${name}, peer ${at + 1} left out`, [...path, field, at]);
      }
      for (const list of ["ports", "protocols"] as const) {
        const items = rule[list] ?? [];
        if (items.length > 0) remove("changed", `${name} without ${list}: all`, [...path, list]);
        if (items.length > 1) {
          for (const at of items.keys()) remove("left out", `${name}, ${list} ${at + 1} left out`, [...path, list, at]);
        }
      }
    }
  }
  return made;
}
