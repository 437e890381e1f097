import { createOracle } from "../src/policy/oracle.ts";
import type { OracleEnd } from "../src/policy/types.ts";
import type { PolicyStep } from "./policy-step.ts";

const end = (name: string): OracleEnd => {
  const [namespace = "", pod = ""] = name.split("/");
  return { kind: "pod", namespace, name: pod };
};

/** Cells that the oracle sees otherwise, in words. What a pod sends to itself must not be graded: by the API no policy blocks it. */
export function oracleDisagreements({ name, namespaces, pods, policies, cells }: PolicyStep): string[] {
  const oracle = createOracle({ namespaces, pods, policies: policies.map((policy) => ({ policy })) });
  return cells.flatMap(({ from, to, protocol, port, isAllowed }) => {
    const { allowed, notGradable } = oracle.verdict({ from: end(from), to: end(to), protocol, port });
    if (from === to) return notGradable?.cause === "loopback" ? [] : [`${name}: ${from} to itself is graded`];
    return allowed === isAllowed
      ? []
      : [`${name}: ${from} → ${to}:${port}/${protocol}: expected ${isAllowed}, is ${allowed}`];
  });
}
