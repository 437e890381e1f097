/** Writes schema/lab.json and schema/exam.json, which editors use: `npx tsx scripts/generate-schema.ts` after a change of any kind's options. */
import { writeFileSync } from "node:fs";
import { fileSchema } from "../src/run/lab-schema.ts";

for (const of of ["lab", "exam"] as const) {
  const target = new URL(`../schema/${of}.json`, import.meta.url);
  writeFileSync(target, `${JSON.stringify(fileSchema(of), undefined, 2)}\n`);
}
