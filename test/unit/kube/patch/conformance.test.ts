import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../../src/kube/patch/json-value.ts";
import { cases } from "../../../fixtures/api-patches/cases.ts";
import { aged, type Answer, compareStep } from "../../../fixtures/api-patches/conformance.ts";
import recorded from "../../../fixtures/api-patches/answers.json" with { type: "json" };

// What a real API server answered; test/rig/api-patches.test.ts asks one anew, and records it with CNILAB_RECORD set.
const answers = recorded as unknown as Readonly<Record<string, readonly Answer[]>>;

describe("patches, beside the recorded answers of a real API server", () => {
  test.each(Object.entries(cases))("%s", (name, one) => {
    let live: JsonObject | undefined;
    const ofCase = answers[name] ?? [];
    expect(ofCase).toHaveLength(one.steps.length);
    for (const [index, step] of one.steps.entries()) {
      const { status, body } = ofCase[index] as Answer;
      const { ours, real } = compareStep(one, step, { ...(live && { live }), status, body });
      expect(ours, `step ${index}: ${step.request} by ${step.manager}`).toEqual(real);
      if (status < 300) live = aged(body);
    }
  });
});
