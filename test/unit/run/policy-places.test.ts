import { expect, it } from "vitest";
import { withPlaces } from "../../../src/run/with-places.ts";

it("places are looked for once, when somebody asks", () => {
  let looks = 0;
  const span = { file: "a.yaml", line: 3, column: 1, length: 4, lineText: "kind" };
  const ruleSpans = { ingress: [span], egress: [] };
  const placed = withPlaces({ name: "deny" }, () => {
    looks += 1;
    return { span, ruleSpans };
  });
  expect([placed.policy, looks]).toEqual([{ name: "deny" }, 0]);
  expect([placed.span, placed.ruleSpans, placed.span]).toEqual([span, ruleSpans, span]);
  expect(looks).toBe(1);
});
