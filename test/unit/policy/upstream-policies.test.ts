import { describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import { fillIn } from "../../fill-in.ts";
import { naiveAllows, type NaivePod } from "../../naive-policy.ts";
import type { PolicyStep } from "../../policy-step.ts";
import { oracleDisagreements } from "../../step-by-oracle.ts";
import { loadUpstreamCases } from "../../upstream-policies.ts";

/** With the addresses that the step says in place of `$(namespace/pod)`. */
function filled(step: PolicyStep): PolicyStep {
  const addresses = new Map(
    step.pods.map(({ namespace, name, addresses: [first = ""] }) => [`${namespace}/${name}`, first]),
  );
  const addressOf = (pod: string): string => addresses.get(pod) ?? `no address of ${pod}`;
  return { ...step, policies: fillIn(step.policies, addressOf) as NetworkPolicy[] };
}

/** Cells that the naive reading sees otherwise. */
function naiveDisagreements({ name, namespaces, pods, policies, cells }: PolicyStep): string[] {
  const world = { namespaces: Object.fromEntries(namespaces.map((each) => [each.name, { ...each.labels }])), policies };
  const ends = new Map(
    pods.map(({ addresses: [address = ""], ports, labels, ...pod }) => [
      `${pod.namespace}/${pod.name}`,
      { pod: { ...pod, labels, address, ports } as NaivePod, address },
    ]),
  );
  const end = (pod: string) => ends.get(pod) ?? { address: "" };
  return cells
    .filter(
      ({ from, to, port, protocol, isAllowed }) =>
        from !== to && naiveAllows(world, end(from), end(to), port, protocol) !== isAllowed,
    )
    .map(({ from, to, port, protocol }) => `${name}: ${from} → ${to}:${port}/${protocol}`);
}

describe("the cases of Kubernetes' own end-to-end tests", () => {
  const cases = loadUpstreamCases();

  it("are all there, each by its name and once", () => {
    const names = cases.flatMap(({ upstream }) => upstream);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBe(48);
  });

  it.each(cases)("$name: the oracle agrees", ({ steps }) => {
    expect(steps.flatMap((step) => oracleDisagreements(filled(step)))).toEqual([]);
  });

  it.each(cases)("$name: the naive reading agrees", ({ steps }) => {
    expect(steps.flatMap((step) => naiveDisagreements(filled(step)))).toEqual([]);
  });
});
