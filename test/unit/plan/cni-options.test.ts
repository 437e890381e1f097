import { describe, expect, test } from "vitest";
import { cnis } from "../../../src/cnis/registry.ts";
import { optionsFor, readCniOptions } from "../../../src/plan/cni-options.ts";

const { calico, flannel, weave } = cnis;

/** Each problem with its hint, and the code that all of them have. */
function problemsOf(...[cni, texts]: Parameters<typeof readCniOptions>): string[] {
  const { problems } = readCniOptions(cni, texts);
  expect(problems.every(({ code, span }) => code === "USAGE_CNI_OPTION" && span === undefined)).toBe(true);
  return problems.map(({ message, hint }) => `${message} / ${hint}`);
}

describe("a CNI's options on the command line", () => {
  test.each([
    ["true", true],
    ["false", false],
  ])("are YAML scalars: %s is %j", (text, value) => {
    expect(readCniOptions(weave, { encrypted: text })).toEqual({ options: { encrypted: value }, problems: [] });
  });

  test("are checked by the CNI's schema, all problems at once, each with a hint", () => {
    expect(problemsOf(weave, { encryptd: "true", encrypted: "yes", fast: "1" })).toEqual([
      'unknown field "encryptd" in cni.options / did you mean encrypted?',
      'unknown field "fast" in cni.options / known: encrypted',
      'cni.options.encrypted must be true or false, not "yes" / options of weave: encrypted',
    ]);
    expect(problemsOf(weave, { encryptd: "true" })).toEqual([
      'unknown field "encryptd" in cni.options / did you mean encrypted?',
    ]);
  });

  test.each(["[true]", "{ a: b }", "a: b", "'unclosed", "--- 1\n--- 2", "*nothing"])(
    "are one plain value each, not %j",
    (text) => {
      expect(problemsOf(weave, { encrypted: text })).toEqual([
        `option encrypted must be one plain value, not ${text} / options of weave: encrypted`,
      ]);
    },
  );

  test("without a value have none", () => {
    expect(problemsOf(weave, { encrypted: "" })).toEqual([
      "cni.options.encrypted has no value / options of weave: encrypted",
    ]);
  });

  test("of a CNI that has none are refused", () => {
    expect(problemsOf(calico, { encrypted: "true" })).toEqual([
      'unknown field "encrypted" in cni.options / calico has no options',
    ]);
  });

  test("are never lost, whatever they are called", () => {
    const texts = Object.fromEntries([["__proto__", "1"]]);
    expect(problemsOf(weave, texts)).toHaveLength(1);
  });
});

describe("options for several CNIs", () => {
  const all = [flannel, weave];
  const given = (name: string, texts: Record<string, string>): unknown => optionsFor({ name }, all, { cnis, texts });

  test("go to those that have them", () => {
    expect(given("weave", { encrypted: "true" })).toEqual({ encrypted: "true" });
    expect(given("flannel", { encrypted: "true" })).toEqual({});
  });

  test("that none has go to all, and so are refused", () => {
    expect(given("weave", { encryptd: "true" })).toEqual({ encryptd: "true" });
    expect(given("flannel", { encryptd: "true" })).toEqual({ encryptd: "true" });
  });
});
