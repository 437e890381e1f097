import { expect, it } from "vitest";
import type { LabelSelector } from "../../../src/kube/types.ts";
import { SelectorIndex } from "../../../src/policy/selector-index.ts";

const web: LabelSelector = { matchLabels: { app: "web" } };
const expression = (
  key: string,
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist",
  values?: string[],
): LabelSelector => ({
  matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
});

it("equal selectors have one number, however their labels, values and expressions are ordered", () => {
  const index = new SelectorIndex();
  const first = index.add({ matchLabels: { a: "1", b: "2" } });
  expect(index.add({ matchLabels: { b: "2", a: "1" } })).toBe(first);
  expect(index.add({ matchLabels: { a: "2", b: "1" } })).not.toBe(first);
  const listed = index.add(expression("a", "In", ["1", "2"]));
  expect(index.add(expression("a", "In", ["2", "1"]))).toBe(listed);
  expect(index.add(expression("a", "NotIn", ["2", "1"]))).not.toBe(listed);
  expect(index.add(expression("b", "In", ["1", "2"]))).not.toBe(listed);
  const [one, other] = [expression("a", "Exists"), expression("b", "Exists")].map(
    ({ matchExpressions = [] }) => matchExpressions,
  );
  const both = index.add({ matchExpressions: [...(one ?? []), ...(other ?? [])] });
  expect(index.add({ matchExpressions: [...(other ?? []), ...(one ?? [])] })).toBe(both);
  expect(index.add(expression("a", "In", ["3"]))).not.toBe(listed);
  expect(index.add({})).toBe(index.add({ matchLabels: {}, matchExpressions: [] }));
});

it("keys are those that some selector mentions", () => {
  const index = new SelectorIndex();
  index.add({ matchLabels: { app: "web" }, ...expression("tier", "NotIn", ["back"]) });
  index.add(expression("stage", "Exists"));
  index.add(web);
  expect([...index.keys].toSorted()).toEqual(["app", "stage", "tier"]);
});

it("the selectors that match are told, each once", () => {
  const index = new SelectorIndex();
  const numbers = {
    web: index.add(web),
    everything: index.add({}),
    listed: index.add(expression("app", "In", ["web", "web", "api"])),
    // Found by one of its values, and only kept where the other expression holds as well.
    both: index.add({
      matchExpressions: [
        { key: "tier", operator: "DoesNotExist" },
        { key: "app", operator: "In", values: ["web"] },
      ],
    }),
    without: index.add(expression("tier", "DoesNotExist")),
    twoLabels: index.add({ matchLabels: { app: "web", tier: "front" } }),
    none: index.add(expression("app", "In", [])),
  };
  const matching = (labels: Record<string, string>): string[] =>
    index
      .matching(labels)
      .map((number) => Object.entries(numbers).find(([, each]) => each === number)?.[0] ?? "?")
      .toSorted();
  expect(matching({ app: "web" })).toEqual(["both", "everything", "listed", "web", "without"]);
  expect(matching({ app: "web", tier: "front" })).toEqual(["everything", "listed", "twoLabels", "web"]);
  expect(matching({ app: "api" })).toEqual(["everything", "listed", "without"]);
  expect(matching({ app: "db", tier: "back" })).toEqual(["everything"]);
  expect(matching({})).toEqual(["everything", "without"]);
});

it("a selector is looked at only where a label is there that it asks for", () => {
  const index = new SelectorIndex();
  const lookedAt: string[] = [];
  /** Tells whenever its selector is read. */
  const watched = (name: string, { matchLabels = {}, matchExpressions = [] }: LabelSelector): void => {
    index.add({
      get matchLabels() {
        lookedAt.push(name);
        return matchLabels;
      },
      matchExpressions,
    });
  };
  watched("label", web);
  watched("listed", expression("tier", "In", ["back", "front"]));
  watched("after another", {
    matchExpressions: [
      { key: "app", operator: "Exists" },
      { key: "stage", operator: "In", values: ["live"] },
    ],
  });
  watched("any", expression("app", "NotIn", ["web"]));
  const whileMatching = (labels: Record<string, string>): string[] => {
    lookedAt.length = 0;
    index.matching(labels);
    return [...new Set(lookedAt)].toSorted();
  };
  expect(whileMatching({})).toEqual(["any"]);
  expect(whileMatching({ app: "api", tier: "middle", stage: "test" })).toEqual(["any"]);
  expect(whileMatching({ app: "web" })).toEqual(["any", "label"]);
  expect(whileMatching({ tier: "front", stage: "live" })).toEqual(["after another", "any", "listed"]);
});
