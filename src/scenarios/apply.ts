import * as z from "zod";
import { LabError } from "../core/errors.ts";
import { formatObjectRef } from "./object-refs.ts";
import { manifestFile } from "./manifest-file.ts";
import { settle } from "./settle.ts";
import { defineScenario } from "./types.ts";

const files = z.union([manifestFile.transform((one) => [one]), z.array(manifestFile).min(1)]);

const applyOptions = z.union([
  files.transform((list) => ({ files: list })),
  z.strictObject({ files: files.describe("Manifests, relative to the lab file, in their order") }),
]);

type ApplyOptions = z.output<typeof applyOptions>;

/** Creates or updates the objects of manifests; docs/scenarios/apply.md. */
export const apply = defineScenario<ApplyOptions>({
  kind: "apply",
  summary: "creates or updates the objects of manifests",
  options: applyOptions,
  manifests: (options) => options.files,
  references: () => [],
  run: async (options, objects, context) => {
    if (objects.length === 0)
      throw new LabError("SCENARIO_NOTHING_TO_APPLY", `${options.files.join(", ")} holds no object`);
    const results = await context.cluster.apply(objects.map(({ object }) => object));
    context.signal.throwIfAborted();
    for (const { ref, action, warnings } of results) {
      context.progress(`${formatObjectRef(ref)} ${action}`);
      for (const { message } of warnings) context.progress(`warning: ${message}`);
    }
    await settle(context);
  },
});
