import fc from "fast-check";
import { expect, it } from "vitest";
import { explainVerdict } from "../../../src/policy/explain.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleFlow, OracleVerdict, OracleWorld } from "../../../src/policy/types.ts";
import type { FlowAnswer } from "../../../src/run/flow-oracle.ts";
import { PairAnswers } from "../../../src/run/pair-answers.ts";
import { world } from "../policy/arbitrary-world.ts";

function answerOf(verdict: OracleVerdict): FlowAnswer {
  const { notGradable, ...why } = explainVerdict(verdict);
  return {
    ...(notGradable === undefined ? { expected: verdict.allowed ? "allowed" : "blocked" } : {}),
    why: { ...why, ...(notGradable === undefined ? {} : { notGradable }) },
    isLoopback: verdict.notGradable?.cause === "loopback",
  };
}

type PodFlow = OracleFlow & {
  from: { kind: "pod" };
  to: { kind: "address" };
  port: number;
};

/** From every pod to every address of a pod, on ports that rules name and on others. */
function flowsBetween({ pods }: OracleWorld): PodFlow[] {
  return [80, 81, 53].flatMap((port) =>
    pods.flatMap(({ namespace, name }) =>
      pods
        .flatMap(({ addresses }) => addresses)
        .map((address) => ({
          from: { kind: "pod", namespace, name },
          to: { kind: "address", address },
          port,
          protocol: port === 53 ? "UDP" : "TCP",
          family: 4,
        })),
    ),
  );
}

/** A second pod of each class, so that one answer serves several. */
function doubled(of: OracleWorld): OracleWorld {
  const twins = of.pods.map((pod, index) => ({
    ...pod,
    name: `twin-of-${pod.name}`,
    addresses: pod.addresses.map((address) => (address.includes(":") ? `fd99::${index + 1}` : `172.31.0.${index + 1}`)),
  }));
  return { ...of, pods: [...of.pods, ...twins] };
}

it("says of every pair what the oracle says, in the same words, and asks it once a pair of classes", () => {
  let answered = 0;
  let asked = 0;
  fc.assert(
    fc.property(world, (one) => {
      const of = doubled(one);
      const oracle = createOracle(of);
      const alone = (flow: OracleFlow) => {
        const verdict = oracle.verdict(flow);
        return { verdict, answer: answerOf(verdict) };
      };
      const pairs = new PairAnswers(of, (flow) => {
        asked += 1;
        return alone(flow);
      });
      for (const flow of flowsBetween(of)) {
        const answer = pairs.answer({ ...flow, address: flow.to.address, family: 4 });
        if (answer === undefined) continue;
        answered += 1;
        expect(answer).toEqual(alone(flow).answer);
      }
    }),
    { numRuns: 60 },
  );
  expect(answered).toBeGreaterThan(2 * asked);
});

it("has no answer where an address is not one pod's alone, nor for a pod to itself", () => {
  const pod = (name: string, addresses: string[], more = {}) => {
    return { namespace: "shop", name, labels: {}, addresses, ports: [], ...more };
  };
  const of: OracleWorld = {
    namespaces: [],
    nodes: [{ name: "worker1", addresses: ["10.0.0.9"] }],
    pods: [
      pod("web", ["10.0.0.1"]),
      pod("twice-1", ["10.0.0.2"]),
      pod("twice-2", ["10.0.0.2"]),
      pod("two", ["10.0.0.3", "10.0.0.4"]),
      pod("on-host", ["10.0.0.9"], { hostNetwork: true }),
      pod("db", ["10.0.0.5"]),
    ],
    policies: [],
  };
  const oracle = createOracle(of);
  const pairs = new PairAnswers(of, (flow) => {
    const verdict = oracle.verdict(flow);
    return { verdict, answer: answerOf(verdict) };
  });
  const isAnswered = (name: string, address: string): boolean =>
    pairs.answer({ from: { namespace: "shop", name }, address, port: 80, protocol: "TCP", family: 4 }) !== undefined;
  const addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.9", "203.0.113.1"];
  expect(addresses.map((address) => isAnswered("web", address))).toEqual([false, false, false, true, false, false]);
  expect(["twice-1", "two", "on-host"].map((name) => isAnswered(name, "10.0.0.5"))).toEqual([false, false, false]);
});

it("leaves a flow to the oracle whose reason has the characters that stand for names", () => {
  const pods = ["web", "db"].map((name, index) => ({
    namespace: "shop",
    name,
    labels: {},
    addresses: [`10.0.0.${index + 1}`],
    ports: [],
  }));
  const of = (name: string): OracleWorld => ({
    namespaces: [],
    pods,
    policies: [],
    adminPolicies: [
      {
        policy: {
          apiVersion: "policy.networking.k8s.io/v1alpha1",
          kind: "AdminNetworkPolicy",
          metadata: { name: "guard" },
          spec: {
            priority: 1,
            subject: { namespaces: {} },
            ingress: [{ name, action: "Deny", from: [{ namespaces: {} }] }],
          },
        },
      },
    ],
  });
  const isAnswered = (name: string): boolean => {
    const oracle = createOracle(of(name));
    const pairs = new PairAnswers(of(name), (flow) => {
      const verdict = oracle.verdict(flow);
      return { verdict, answer: answerOf(verdict) };
    });
    const from = { namespace: "shop", name: "web" };
    return pairs.answer({ from, address: "10.0.0.2", port: 80, protocol: "TCP", family: 4 }) !== undefined;
  };
  expect([isAnswered("no web"), isAnswered("no \u{E001}")]).toEqual([true, false]);
});
