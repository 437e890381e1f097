import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Pod } from "../../../src/kube/types.ts";
import { pod } from "../../unit/engine/store/objects.ts";
import { ApiUnderTest, type Answer } from "./api-client.ts";

const api = new ApiUnderTest();
const pods = "/api/v1/namespaces/default/pods";

beforeAll(() => api.start());
afterAll(() => api.close());

function runningPod(name: string, labels: Record<string, string>): void {
  const made = api.plane.store.create(pod(name, { labels, spec: { nodeName: "n1" } }));
  const conditions = [{ type: "Ready", status: "True" }];
  api.plane.store.updateStatus({ ...made, status: { phase: "Running", conditions } } as Pod);
}

async function budget(name: string, labels: Record<string, string>): Promise<void> {
  const made = await api.call("POST", "/apis/policy/v1/namespaces/default/poddisruptionbudgets", {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name },
    spec: { minAvailable: 1, selector: { matchLabels: labels } },
  });
  expect(made.code).toBe(201);
}

const evict = (name: string): Promise<Answer> =>
  api.call("POST", `${pods}/${name}/eviction`, { apiVersion: "policy/v1", kind: "Eviction", metadata: { name } });

describe("an eviction", () => {
  test("that a budget does not allow is refused as a real API server does: no time, its cause without a field", async () => {
    runningPod("kept", { app: "kept" });
    await budget("one", { app: "kept" });
    const refused = await evict("kept");
    expect(refused.headers["retry-after"]).toBeUndefined();
    expect(refused).toMatchObject({ code: 429 });
    expect(refused.body).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      reason: "TooManyRequests",
      details: {
        causes: [
          { reason: "DisruptionBudget", message: "The disruption budget one needs 1 healthy pods and has 1 currently" },
        ],
      },
      code: 429,
    });
    expect(api.plane.store.get("Pod", "kept", "default")?.metadata.deletionTimestamp).toBeUndefined();
  });

  test("of a pod of two budgets is a Status of 500", async () => {
    runningPod("shared", { app: "shared" });
    await budget("two", { app: "shared" });
    await budget("three", { app: "shared" });
    expect(await evict("shared")).toMatchObject({
      code: 500,
      body: { message: expect.stringContaining("more than one PodDisruptionBudget") as string },
    });
  });

  test("that another name in the body means is refused", async () => {
    const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "shared" } };
    expect(await api.call("POST", `${pods}/kept/eviction`, body)).toMatchObject({ code: 400 });
  });
});

test("a pod's status at its beginning is not its writer's", async () => {
  const spec = { containers: [{ name: "main", image: "nginx" }] };
  const sent = { apiVersion: "v1", kind: "Pod", metadata: { name: "made" }, spec, status: { phase: "Running" } };
  const made = await api.call("POST", `${pods}?fieldManager=me`, sent);
  const yaml = { "content-type": "application/apply-patch+yaml" };
  const applied = await api.call(
    "PATCH",
    `${pods}/applied?fieldManager=me`,
    { ...sent, metadata: { name: "applied" } },
    yaml,
  );
  for (const { code, body } of [made, applied]) {
    expect({ code, body }).toMatchObject({ code: 201, body: { status: { phase: "Pending", qosClass: "BestEffort" } } });
    const { managedFields } = (body as { metadata: { managedFields: { manager: string; fieldsV1: object }[] } })
      .metadata;
    expect(managedFields.map(({ manager }) => manager)).toEqual(["me"]);
    expect(managedFields[0]?.fieldsV1).toHaveProperty(["f:spec"]);
    expect(managedFields[0]?.fieldsV1).not.toHaveProperty(["f:status"]);
  }
});

test("a Service's target port of 0 or of no name, as Go's clients send it, is its port", async () => {
  const ports = [
    { name: "a", port: 80, targetPort: 0 },
    { name: "b", port: 81, targetPort: "" },
  ];
  const body = { apiVersion: "v1", kind: "Service", metadata: { name: "zero" }, spec: { ports } };
  expect(await api.call("POST", "/api/v1/namespaces/default/services", body)).toMatchObject({
    code: 201,
    body: { spec: { ports: [{ targetPort: 80 }, { targetPort: 81 }] } },
  });
});
