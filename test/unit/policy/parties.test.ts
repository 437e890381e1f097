import { describe, expect, it } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import { indexParties, type Party } from "../../../src/policy/parties.ts";
import type { OracleEnd, OracleFlow, OraclePod } from "../../../src/policy/types.ts";

const pod = (name: string, addresses: string[], more: Partial<OraclePod> = {}): OraclePod => ({
  namespace: "shop",
  name,
  labels: {},
  addresses,
  ports: [],
  node: "worker1",
  ...more,
});
const index = indexParties({
  namespaces: [],
  nodes: [
    { name: "worker1", addresses: ["192.168.0.11", "fd01::11", "192.168.1.11"] },
    { name: "worker2", addresses: ["192.168.0.12", "10.0.0.2"] },
  ],
  pods: [
    pod("web", ["10.0.0.1", "fd00::1"]),
    pod("db", ["10.0.0.2"]),
    pod("late", ["10.0.0.2"]),
    pod("six", ["fd00::6", "10.0.0.6"]),
    pod("pending", ["", "not yet"]),
    pod("agent", ["192.168.0.11"], { hostNetwork: true }),
    pod("new-agent", [], { hostNetwork: true }),
    pod("lost-agent", [], { hostNetwork: true, node: undefined }),
  ],
  policies: [],
});

const at = (name: string): OracleEnd => ({ kind: "pod", namespace: "shop", name });
const node = (name: string): OracleEnd => ({ kind: "node", name });
const address = (text: string): OracleEnd => ({ kind: "address", address: text });

function parties(from: OracleEnd, to: OracleEnd, family?: OracleFlow["family"]): { from: Party; to: Party } {
  return index.parties({ from, to, port: 80, protocol: "TCP", ...(family === undefined ? {} : { family }) });
}

/** Who it is, how many addresses it may have, and whether one of them is certain. */
function told({ pod: own, node: where, family, addresses, isAddressCertain }: Party): string {
  const who = own === undefined ? (where === undefined ? "outside" : `node ${where}`) : `pod ${own.name}`;
  return `${who}, ${addresses.length} of IPv${family}${isAddressCertain ? "" : ", uncertain"}`;
}

describe("a party", () => {
  it.each<[string, OracleEnd, OracleFlow["family"], string, string]>([
    ["a pod has one address of a family", at("web"), 4, "pod web, 1 of IPv4", "pod web, 1 of IPv4"],
    ["the other family's, too", at("web"), 6, "pod web, 1 of IPv6", "pod web, 1 of IPv6"],
    ["a pod without addresses has none", at("pending"), 4, "pod pending, 0 of IPv4", "pod pending, 0 of IPv4"],
    [
      "a node's packets carry what the CNI chooses, and come to any of its addresses",
      node("worker1"),
      4,
      "node worker1, 2 of IPv4, uncertain",
      "node worker1, 2 of IPv4",
    ],
    [
      "a node without an address of the family is not known by one",
      node("worker2"),
      6,
      "node worker2, 0 of IPv6, uncertain",
      "node worker2, 0 of IPv6, uncertain",
    ],
    [
      "a pod in its node's network is its node",
      at("agent"),
      4,
      "node worker1, 1 of IPv4, uncertain",
      "node worker1, 1 of IPv4",
    ],
    [
      "and has its node's addresses before it has its own",
      at("new-agent"),
      4,
      "node worker1, 2 of IPv4, uncertain",
      "node worker1, 2 of IPv4",
    ],
    ["none where it has no node yet", at("lost-agent"), 4, "outside, 0 of IPv4", "outside, 0 of IPv4"],
    ["an address of a pod is the pod", address("10.0.0.1"), 4, "pod web, 1 of IPv4", "pod web, 1 of IPv4"],
    [
      "the first of two pods that have it, before a node",
      address("10.0.0.2"),
      4,
      "pod db, 1 of IPv4",
      "pod db, 1 of IPv4",
    ],
    [
      "an address of a node is just that",
      address("192.168.1.11"),
      4,
      "node worker1, 1 of IPv4",
      "node worker1, 1 of IPv4",
    ],
    [
      "an address of an agent is its node's",
      address("192.168.0.11"),
      4,
      "node worker1, 1 of IPv4",
      "node worker1, 1 of IPv4",
    ],
    ["equal texts of one address are one", address("fd00:0::0001"), 6, "pod web, 1 of IPv6", "pod web, 1 of IPv6"],
    ["any other address is outside", address("203.0.113.9"), 4, "outside, 1 of IPv4", "outside, 1 of IPv4"],
  ])("%s", (_what, end, family, asSource, asDestination) => {
    expect(told(parties(end, at("db"), family).from)).toBe(asSource);
    expect(told(parties(at("db"), end, family).to)).toBe(asDestination);
  });

  it("is the same object for equal ends, and another in the other role and family", () => {
    const { from, to } = parties(node("worker1"), node("worker1"), 4);
    expect(parties(node("worker1"), at("web"), 4).from).toBe(from);
    expect(parties(at("web"), node("worker1"), 4).to).toBe(to);
    expect(from).not.toBe(to);
    expect(parties(node("worker1"), at("web"), 6).from).not.toBe(from);
    const outside = parties(address("203.0.113.9"), at("web"), 4).from;
    expect(parties(address("203.0.113.9"), at("db"), 4).from).toBe(outside);
  });
});

describe("the family of a flow", () => {
  it.each<[string, OracleEnd, OracleEnd, 4 | 6 | undefined, 4 | 6]>([
    ["is the one that is asked for", at("web"), at("six"), 4, 4],
    ["that of the address it goes to", at("six"), address("2001:db8::1"), undefined, 6],
    ["that of the address it comes from", address("203.0.113.9"), at("six"), undefined, 4],
    ["that of the destination before the source's", address("2001:db8::1"), address("203.0.113.9"), undefined, 4],
    ["that of the destination's primary address", at("web"), at("six"), undefined, 6],
    ["IPv4 where the destination has none", at("six"), at("pending"), undefined, 4],
  ])("%s", (_what, from, to, asked, family) => {
    const both = parties(from, to, asked);
    expect([both.from.family, both.to.family]).toEqual([family, family]);
  });
});

it.each<[OracleEnd, string]>([
  [at("gone"), "pod shop/gone"],
  [node("gone"), "node gone"],
  [address("db.shop"), '"db.shop", which is no IP address'],
])("what the world does not have is told: %j", (end, what) => {
  const refused = (act: () => unknown): unknown => {
    try {
      return act();
    } catch (error) {
      return error instanceof LabError ? [error.code, error.message, error.hint] : error;
    }
  };
  const expected = [
    "POLICY_UNKNOWN_END",
    `the policy oracle was asked about ${what}, which its world does not have`,
    "the reference world is built from the cluster's objects: was the pod deleted while the probes ran?",
  ];
  expect(refused(() => parties(end, at("db")))).toEqual(expected);
  expect(refused(() => parties(at("db"), end))).toEqual(expected);
});
