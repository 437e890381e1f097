import { expect, test } from "vitest";
import { kindSchema } from "../../../src/kube/api-schemas.ts";
import { dropUnknownFields } from "../../../src/kube/unknown-fields.ts";

test("fields that a built-in type has not are dropped, at any depth, through references and maps", () => {
  const job = {
    metadata: { name: "j", labls: {} },
    spec: {
      parallel: 2,
      template: { spec: { containers: [{ name: "c", imag: "x", resources: { limits: { cpu: "1" } } }] } },
    },
  };
  const schema = kindSchema({ group: "batch", version: "v1", kind: "Job" });
  expect(schema && dropUnknownFields(job, schema)).toEqual([
    "metadata.labls",
    "spec.parallel",
    "spec.template.spec.containers[0].imag",
  ]);
  expect(job).toEqual({
    metadata: { name: "j" },
    spec: { template: { spec: { containers: [{ name: "c", resources: { limits: { cpu: "1" } } }] } } },
  });
});

test("what may be anything stays as it is", () => {
  const revision = { data: { spec: { any: 1 } } };
  const schema = kindSchema({ group: "apps", version: "v1", kind: "ControllerRevision" });
  expect(schema && dropUnknownFields(revision, schema)).toEqual([]);
});
