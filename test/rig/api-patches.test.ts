import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { groupVersionPath } from "../../src/kube/openapi.ts";
import { apiVersionOf } from "../../src/kube/api-schemas.ts";
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
});

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
