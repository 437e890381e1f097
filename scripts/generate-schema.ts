/** Writes schema/lab.json, which editors use: `npx tsx scripts/generate-schema.ts` after a change of any kind's options. */
import { writeFileSync } from "node:fs";
import { labJsonSchema } from "../src/lab/json-schema.ts";
import { registries } from "../src/run/registries.ts";

writeFileSync(
  new URL("../schema/lab.json", import.meta.url),
  `${JSON.stringify(labJsonSchema(registries), undefined, 2)}\n`,
);
