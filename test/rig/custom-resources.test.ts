import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { JsonObject } from "../../src/kube/patch/json-value.ts";
import answers from "../fixtures/custom-resources/refused.json" with { type: "json" };
import { type BareApiServer, startBareApiServer } from "./bare-api-server.ts";
import { describeOnRig } from "./rig.ts";

const DEFINITION = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "backups.ops.example.org" },
  spec: {
    group: "ops.example.org",
    scope: "Cluster",
    names: { plural: "backups", kind: "Backup" },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: answers.schema } }],
  },
};

/** What the unit tests expect of our checks is what a real API server says. */
describeOnRig("custom resources, refused by a real API server", () => {
  const MINUTE = 60_000;
  let server: BareApiServer;
  const dryRun = (spec: unknown): Promise<{ status: number; body: JsonObject }> =>
    server.ask("POST", "/apis/ops.example.org/v1/backups?dryRun=All", {
      apiVersion: "ops.example.org/v1",
      kind: "Backup",
      metadata: { name: "x" },
      spec,
    });

  beforeAll(async () => {
    server = await startBareApiServer();
    const made = await server.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION);
    expect(made.status).toBe(201);
    // The group is announced before it is served: until then its paths are answered 404, in plain text.
    const isServed = async (): Promise<void> =>
      expect(await server.ask("GET", "/apis/ops.example.org/v1/backups")).toMatchObject({ status: 200 });
    await vi.waitFor(isServed, { timeout: MINUTE, interval: 200 });
  }, 2 * MINUTE);

  afterAll(() => server.stop());

  test.each(answers.cases.map(({ spec, told }) => [JSON.stringify(spec), spec, told] as const))(
    "%s",
    async (_, spec, told) => {
      const { status, body } = await dryRun(spec);
      expect(status).toBe(422);
      const { causes } = (body as { details: { causes: { field: string; message: string }[] } }).details;
      expect(causes.map(({ field, message }) => `${field}: ${message}`).toSorted()).toEqual(told);
    },
  );
});
