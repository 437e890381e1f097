import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Codes of DNS and of errno(3), which have with ours only the form in common. */
const notErrors = new Set(["NOERROR", "NXDOMAIN", "ETIMEDOUT"]);

function codesOf(text: string): string[] {
  const patterns = [/new LabError\(\s*"([A-Z][A-Z_0-9]{3,})"/g, /\bcode: "([A-Z][A-Z_0-9]{3,})"/g];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, code = ""]) => code));
}

test("every error code has an entry in docs/errors.md", () => {
  const documented = readFileSync(join(root, "docs/errors.md"), "utf8");
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const codes = new Set(sources.flatMap((name) => codesOf(readFileSync(join(root, "src", name), "utf8"))));
  expect(codes.size).toBeGreaterThan(100);
  const missing = [...codes].filter(
    (code) => !notErrors.has(code) && !documented.includes(`### ${code}\n`) && !documented.includes(`\`${code}\``),
  );
  expect(missing).toEqual([]);
});
