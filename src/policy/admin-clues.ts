import { namespaceLabels } from "../kube/selectors.ts";
import { compileAdminPolicies, type CompiledAdminPolicy } from "./compile-admin.ts";
import { type Fault, fewestFaults, labelFaults, type OtherEnd, peerFaults, portFault } from "./faults.ts";
import type { AdminDecision, AdminRuleRef, OraclePod, OracleVerdict, OracleWorld, SideVerdict } from "./types.ts";

/**
 * Rules that stand before the one that denied, in its tier, and that one condition keeps from allowing the flow or passing it on:
 * a label of the subject, of the other end or of a namespace, an address, or the port.
 */
export function missedAdminRules(
  world: OracleWorld,
  { direction, pod }: SideVerdict,
  { tier, rule: denying }: AdminDecision,
  other: OtherEnd,
  { flow, ingress }: OracleVerdict,
  translated: OtherEnd["translated"],
): { fault: Fault; ref: AdminRuleRef }[] {
  const ofTier = compileAdminPolicies(world).filter((policy) => policy.tier === tier);
  const at = ofTier.findIndex(({ placed }) => placed === denying.placed);
  return ofTier.slice(0, at + 1).flatMap((policy) => {
    const ofSubject = subjectFaults(world, policy.subject, pod);
    const rules = policy.placed === denying.placed ? policy[direction].slice(0, denying.index) : policy[direction];
    return rules.flatMap((rule) => {
      if (rule.action === "Deny") return [];
      const verb = rule.action === "Pass" ? "passes on" : "allows";
      const [fault, ...more] = [
        ...ofSubject,
        ...fewestFaults(rule.peers.map((peer) => peerFaults(peer, other, flow.family))),
        ...portFault(rule, flow, direction === "egress" ? ingress?.pod : pod, translated, verb),
      ];
      return fault === undefined || more.length > 0 ? [] : [{ fault, ref: rule.ref }];
    });
  });
}

function subjectFaults(
  { namespaces }: OracleWorld,
  { namespace, pods }: CompiledAdminPolicy["subject"],
  pod: OraclePod,
): Fault[] {
  const labels = namespaces.find(({ name }) => name === pod.namespace)?.labels;
  const ofPod = { code: "policy-selector", whose: `${pod.namespace}/${pod.name}`, asks: "the subject" };
  const ofNamespace = { code: "namespace-label", whose: `namespace ${pod.namespace}`, asks: "the subject" };
  return [
    ...labelFaults(namespace, namespaceLabels(pod.namespace, labels), ofNamespace),
    ...labelFaults(pods, pod.labels, ofPod),
  ];
}
