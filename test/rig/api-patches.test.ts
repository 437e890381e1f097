import { apiVersionOf, groupVersionPath } from "../../src/kube/group-version.ts";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isRecord } from "../../src/core/is-record.ts";
import { servedKinds } from "../../src/kube/api-schemas.ts";
import { type OpenApiDocument, openApiDocument } from "../../src/kube/openapi.ts";
import type { JsonObject } from "../../src/kube/patch/json-value.ts";
import type { Case, Step } from "../fixtures/api-patches/case.ts";
import { cases } from "../fixtures/api-patches/cases.ts";
import { AGED, type Answer, compareStep } from "../fixtures/api-patches/conformance.ts";
import { type BareApiServer, startBareApiServer } from "./bare-api-server.ts";
import { describeOnRig } from "./rig.ts";

/** With CNILAB_RECORD set, the answers become the fixture of test/unit/kube/patch/conformance.test.ts. */
const RECORDING = new URL("../fixtures/api-patches/answers.json", import.meta.url);

const TYPES = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

const versions = [
  ...new Set(servedKinds.filter(({ resource }) => resource !== undefined).map((kind) => apiVersionOf(kind))),
];

describeOnRig("patches, beside a real API server", () => {
  let server!: BareApiServer;
  const answers: Record<string, Answer[]> = {};

  beforeAll(async () => {
    server = await startBareApiServer();
  });
  afterAll(async () => {
    await (server as BareApiServer | undefined)?.stop();
    if (process.env["CNILAB_RECORD"] !== undefined) writeFileSync(RECORDING, record(answers));
  });

  test.each(Object.entries(cases))("%s: the same objects, managers and refusals", async (name, one) => {
    const namespace = name.toLowerCase().replaceAll(/[^a-z]+/g, "-");
    const metadata = { name: namespace };
    await server.ask("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata });
    const collection = `/${groupVersionPath(apiVersionOf(one.gvk))}/namespaces/${namespace}/${one.resource}`;
    const recorded: Answer[] = [];
    answers[name] = recorded;
    for (const [index, step] of one.steps.entries()) {
      const answer = await run(server, collection, one, step, index);
      recorded.push(answer);
      const { ours, real } = compareStep(one, step, answer);
      expect(ours, `step ${index}: ${step.request} by ${step.manager}`).toEqual(real);
    }
  });

  test.each(versions)("OpenAPI of %s: the same structure of every schema", async (apiVersion) => {
    const { body } = await server.ask("GET", `/openapi/v3/${groupVersionPath(apiVersion)}`);
    const real = (body as unknown as OpenApiDocument).components.schemas;
    const { schemas } = openApiDocument(apiVersion).components;
    // Lists are ours: a list of the document is the same for each kind.
    const names = Object.keys(schemas).filter((name) => !name.endsWith("List") && real[name] !== undefined);
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) expect(structureOf(schemas[name]), name).toEqual(structureOf(real[name]));
  });
});

/** A schema without descriptions, kinds, unions and the defaults of lists' items, which nothing reads. */
function structureOf(schema: unknown, isItem = false): unknown {
  if (Array.isArray(schema)) return schema.map((part) => structureOf(part, isItem));
  if (!isRecord(schema)) return schema;
  const { description, ...rest } = schema;
  const members = typeof description === "string" ? rest : schema;
  const left = Object.entries(members)
    .filter(([name]) => !["x-kubernetes-unions", "x-kubernetes-group-version-kind"].includes(name))
    .filter(([name]) => !(isItem && name === "default"))
    .map(([name, part]) => [name, structureOf(part, name === "items" || name === "additionalProperties")]);
  const plain = Object.fromEntries(left) as JsonObject;
  if (Array.isArray(plain["required"])) plain["required"] = (plain["required"] as string[]).toSorted();
  // A reference that stood in an allOf for its default alone.
  const [only] = Array.isArray(plain["allOf"]) && Object.keys(plain).length === 1 ? (plain["allOf"] as unknown[]) : [];
  return only ?? plain;
}

/** One answer a line; what was there before is the answer before. */
function record(answers: Readonly<Record<string, readonly Answer[]>>): string {
  const lines = Object.entries(answers).map(([name, list]) => {
    const written = list.map(({ status, body }) => `    ${JSON.stringify({ status, body })}`).join(",\n");
    return `  ${JSON.stringify(name)}: [\n${written}\n  ]`;
  });
  return `{\n${lines.join(",\n")}\n}\n`;
}

async function run(server: BareApiServer, collection: string, one: Case, step: Step, index: number): Promise<Answer> {
  const path = `${collection}/x`;
  const live = index === 0 ? undefined : await age(server, path);
  const target = step.subresource === undefined ? path : `${path}/${step.subresource}`;
  const query = `fieldManager=${step.manager}${step.force === true ? "&force=true" : ""}`;
  const { status, body } =
    step.request === "create"
      ? await server.ask("POST", `${collection}?${query}`, step.body)
      : step.request === "update"
        ? await server.ask("PUT", `${target}?${query}`, step.body)
        : await server.ask("PATCH", `${target}?${query}`, step.body, TYPES[step.request]);
  // A Scale is another kind: what counts is the object it scales.
  const answer = step.subresource === "scale" ? (await server.ask("GET", path)).body : body;
  return { ...(live !== undefined && { live }), status, body: answer };
}

/** The stored object, after all its managers' times were set back. */
async function age(server: BareApiServer, path: string): Promise<JsonObject> {
  const { body } = await server.ask("GET", path);
  const entries = (body["metadata"] as JsonObject)["managedFields"] as JsonObject[] | undefined;
  if (entries === undefined) return body;
  // A change of times alone is none to the server: the entries go and come back.
  await server.ask("PATCH", path, { metadata: { managedFields: [] } }, TYPES.merge);
  const metadata = { managedFields: entries.map((entry) => ({ ...entry, time: AGED })) };
  const aged = await server.ask("PATCH", path, { metadata }, TYPES.merge);
  const times = (aged.body["metadata"] as { managedFields: { time: string }[] }).managedFields.map(({ time }) => time);
  expect(times).toEqual(entries.map(() => AGED));
  return aged.body;
}
