import { describe, expect, it } from "vitest";
import fc from "fast-check";
import {
  formatSelector,
  isEmptySelector,
  matchesLabels,
  matchesSelector,
  namespaceLabels,
} from "../../../src/kube/selectors.ts";
import type { LabelSelector } from "../../../src/kube/types.ts";

const web = { app: "web", tier: "front" };

describe("matchesSelector", () => {
  it("matches nothing when the selector is null", () => {
    expect(matchesSelector(undefined, web)).toBe(false);
    expect(matchesSelector(undefined, {})).toBe(false);
  });

  it("matches everything when the selector is empty", () => {
    expect(matchesSelector({}, web)).toBe(true);
    expect(matchesSelector({ matchLabels: {}, matchExpressions: [] }, undefined)).toBe(true);
  });

  const cases: [string, LabelSelector, Record<string, string>, boolean][] = [
    ["all of matchLabels", { matchLabels: { app: "web", tier: "front" } }, web, true],
    ["no match on one wrong value", { matchLabels: { app: "web", tier: "back" } }, web, false],
    ["no match on a missing key", { matchLabels: { zone: "a" } }, web, false],
    ["an empty value is a value", { matchLabels: { app: "" } }, { app: "" }, true],
    ["an absent key is not the empty value", { matchLabels: { app: "" } }, {}, false],
    ["In", { matchExpressions: [{ key: "app", operator: "In", values: ["db", "web"] }] }, web, true],
    ["In, other value", { matchExpressions: [{ key: "app", operator: "In", values: ["db"] }] }, web, false],
    ["In, absent key", { matchExpressions: [{ key: "zone", operator: "In", values: ["a"] }] }, web, false],
    ["NotIn", { matchExpressions: [{ key: "app", operator: "NotIn", values: ["db"] }] }, web, true],
    [
      "NotIn, listed value",
      { matchExpressions: [{ key: "app", operator: "NotIn", values: ["db", "web"] }] },
      web,
      false,
    ],
    ["NotIn, absent key", { matchExpressions: [{ key: "zone", operator: "NotIn", values: ["a"] }] }, web, true],
    ["Exists", { matchExpressions: [{ key: "app", operator: "Exists" }] }, web, true],
    ["Exists, absent key", { matchExpressions: [{ key: "zone", operator: "Exists" }] }, web, false],
    ["Exists, empty value", { matchExpressions: [{ key: "app", operator: "Exists" }] }, { app: "" }, true],
    ["DoesNotExist", { matchExpressions: [{ key: "zone", operator: "DoesNotExist" }] }, web, true],
    ["DoesNotExist, present key", { matchExpressions: [{ key: "app", operator: "DoesNotExist" }] }, web, false],
    [
      "labels and expressions are both needed",
      {
        matchLabels: { app: "web" },
        matchExpressions: [{ key: "tier", operator: "In", values: ["back"] }],
      },
      web,
      false,
    ],
    [
      "every expression is needed",
      {
        matchExpressions: [
          { key: "app", operator: "Exists" },
          { key: "tier", operator: "DoesNotExist" },
        ],
      },
      web,
      false,
    ],
    [
      "keys of Object.prototype are not labels",
      { matchExpressions: [{ key: "constructor", operator: "Exists" }] },
      web,
      false,
    ],
  ];
  it.each(cases)("%s", (_, selector, labels, expected) => {
    expect(matchesSelector(selector, labels)).toBe(expected);
  });

  it("NotIn is the complement of In, and DoesNotExist of Exists", () => {
    const key = fc.constantFrom("a", "b");
    const labels = fc.dictionary(key, fc.constantFrom("x", "y"));
    const values = fc.array(fc.constantFrom("x", "y", "z"), { minLength: 1 });
    fc.assert(
      fc.property(key, labels, values, (k, l, v) => {
        const match = (operator: "In" | "NotIn" | "Exists" | "DoesNotExist") =>
          matchesSelector({ matchExpressions: [{ key: k, operator, values: v }] }, l);
        expect(match("In")).not.toBe(match("NotIn"));
        expect(match("Exists")).not.toBe(match("DoesNotExist"));
      }),
    );
  });
});

describe("matchesLabels", () => {
  it("wants every pair and treats an absent map as empty", () => {
    expect(matchesLabels({ app: "web" }, web)).toBe(true);
    expect(matchesLabels({ app: "web", zone: "a" }, web)).toBe(false);
    expect(matchesLabels(undefined, undefined)).toBe(true);
  });
});

describe("namespaceLabels", () => {
  it("adds the name label and lets no manifest override it", () => {
    expect(namespaceLabels("shop", { team: "a", "kubernetes.io/metadata.name": "forged" })).toEqual({
      team: "a",
      "kubernetes.io/metadata.name": "shop",
    });
  });
});

describe("formatSelector", () => {
  it("prints as kubectl does", () => {
    expect(
      formatSelector({
        matchLabels: { app: "web" },
        matchExpressions: [
          { key: "tier", operator: "In", values: ["a", "b"] },
          { key: "env", operator: "NotIn", values: ["dev"] },
          { key: "owner", operator: "Exists" },
          { key: "debug", operator: "DoesNotExist" },
        ],
      }),
    ).toBe("app=web,tier in (a,b),env notin (dev),owner,!debug");
  });

  it("says <all> exactly when the selector is empty", () => {
    expect(formatSelector({})).toBe("<all>");
    expect(isEmptySelector({ matchLabels: {}, matchExpressions: [] })).toBe(true);
    expect(isEmptySelector({ matchLabels: { a: "b" } })).toBe(false);
    expect(isEmptySelector({ matchExpressions: [{ key: "a", operator: "Exists" }] })).toBe(false);
  });
});
