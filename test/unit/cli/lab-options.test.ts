import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import { overridesOf, parseCniOption } from "../../../src/cli/lab-options.ts";

describe("--cni-option", () => {
  test("is a key and the text behind the first equals sign; given again, each counts", () => {
    const first = parseCniOption("encrypted=true");
    expect(parseCniOption("a=b=c", first)).toEqual({ encrypted: "true", a: "b=c" });
    expect(parseCniOption("a=")).toEqual({ a: "" });
  });

  test.each([["encrypted"], ["=true"], [""]])("cannot be %j", (text) => {
    expect(() => parseCniOption(text)).toThrow(InvalidArgumentError);
  });

  test("is given once for a key", () => {
    expect(() => parseCniOption("a=2", { a: "1" })).toThrow("a is given twice.");
  });

  test("goes on with --cni and --provider", () => {
    const cni = { name: "weave" };
    expect(overridesOf({ provider: "kind", cni, cniOption: { encrypted: "true" } })).toEqual({
      provider: "kind",
      cni,
      cniOptions: { encrypted: "true" },
    });
  });
});
