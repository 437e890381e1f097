import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rerunCommand } from "../../../src/probes/rerun.ts";

describe("rerunCommand", () => {
  it("quotes what a shell would take apart", () => {
    expect(rerunCommand("labs/deny", "the cache doesn't reach the database", { from: "shop/a", to: "shop/b" })).toBe(
      String.raw`cnilab probe labs/deny --only 'the cache doesn'\''t reach the database' --cell shop/a,shop/b`,
    );
  });

  it("keeps a name that begins with a dash from being an option", () => {
    expect(rerunCommand("shop", "--all")).toBe("cnilab probe shop --only=--all");
  });

  it("gives a shell back exactly the words it was made from", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (lab, name) => {
        fc.pre(!`${lab}${name}`.includes("\u0000") && !name.startsWith("-"));
        const command = rerunCommand(lab, name).replace(/^cnilab/, "printf '%s\\0'");
        const words = execFileSync("sh", ["-c", command], { encoding: "utf8" }).split("\0").slice(0, -1);
        expect(words).toEqual(["probe", lab, "--only", name]);
      }),
      { numRuns: 60 },
    );
  });
});
