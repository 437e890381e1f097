import * as z from "zod";
import { parsedBy } from "../lab/fields.ts";
import type { ObjectRef } from "../providers/types.ts";
import { manifestFile } from "./manifest-file.ts";
import { formatObjectRef, objectRef, parseObjectRef } from "./object-refs.ts";
import { settle } from "./settle.ts";
import { defineScenario } from "./types.ts";
import { LabError } from "../core/errors.ts";

/** One thing to delete: an object, or all objects of a manifest. */
type Target = { ref: ObjectRef } | { file: string };

const asText = z.union([
  z
    .string()
    .regex(/\.(ya?ml|json)$/)
    .pipe(manifestFile)
    .transform((file): Target => ({ file })),
  parsedBy((text): Target => ({ ref: parseObjectRef(text) })),
]);

const asObject = z
  .strictObject({
    kind: z.string().min(1).describe("Kind, such as NetworkPolicy"),
    namespace: z.string().min(1).optional(),
    name: z.string().min(1),
  })
  .transform(({ kind, namespace, name }, issues): Target => {
    try {
      return { ref: objectRef(kind, namespace, name) };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      issues.addIssue({ code: "custom", message: error.message, params: { code: error.code, hint: error.hint } });
      return z.NEVER;
    }
  });

const one = z.union([asText, asObject]);
const deleteOptions = z
  .union([one.transform((target) => [target]), z.array(one).min(1)])
  .transform((targets) => ({ targets }));

type DeleteOptions = z.output<typeof deleteOptions>;

/** Deletes objects and waits until they are gone; docs/scenarios/delete.md. */
export const deleteStep = defineScenario<DeleteOptions>({
  kind: "delete",
  summary: "deletes objects and waits until they are gone",
  options: deleteOptions,
  manifests: ({ targets }) => targets.flatMap((target) => ("file" in target ? [target.file] : [])),
  references: () => [],
  run: async ({ targets }, objects, context) => {
    const named = targets.flatMap((target) => ("ref" in target ? [target.ref] : []));
    const listed = objects.map(({ object }): ObjectRef => {
      const { name, namespace } = object.metadata;
      return { kind: object.kind, name, ...(namespace === undefined ? {} : { namespace }) };
    });
    const refs = [...named, ...listed];
    await context.cluster.delete(refs);
    context.signal.throwIfAborted();
    for (const ref of refs) context.progress(`${formatObjectRef(ref)} deleted`);
    await settle(context);
  },
});
