import * as z from "zod";
import { LabError } from "../core/errors.ts";
import { durationField } from "../lab/fields.ts";
import type { WaitFor } from "../providers/types.ts";
import { formatObjectRef, parseObjectRef } from "./object-refs.ts";
import { defineScenario } from "./types.ts";

const DEFAULT_TIMEOUT_MS = 60_000;

/** The conditions that a kind's status can have; a wait for another would never end. */
const CONDITIONS: Readonly<Record<string, readonly string[]>> = {
  Deployment: ["Available", "Progressing"],
  StatefulSet: ["Ready"],
  DaemonSet: ["Ready"],
  Pod: ["Ready", "Initialized", "ContainersReady", "PodScheduled"],
  Node: ["Ready"],
};

/** What is waited for when the step does not say. */
const DEFAULT_CONDITION: Readonly<Record<string, string>> = {
  Deployment: "available",
  StatefulSet: "ready",
  DaemonSet: "ready",
  Pod: "ready",
  Node: "ready",
  Service: "endpoints",
};

const waitOptions = z
  .strictObject({
    for: z.string().min(1).describe("deployment/web, pod/x, service/db, or with its namespace: shop/deployment/web"),
    namespace: z.string().min(1).optional(),
    condition: z
      .string()
      .regex(/^[A-Za-z]+$/)
      .optional()
      .describe("available, ready, deleted, endpoints, or a condition's type; default by the kind"),
    count: z.int().min(0).optional().describe("With endpoints: how many must be ready, default 1"),
    timeout: durationField().optional().describe("Default 60s"),
  })
  .transform(({ for: written, namespace, condition, count, timeout }, issues) => {
    try {
      return { wait: waitFor(written, namespace, condition, count), timeoutMs: timeout ?? DEFAULT_TIMEOUT_MS };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      issues.addIssue({
        code: "custom",
        path: placeOf(error),
        message: error.message,
        params: { code: error.code, hint: error.hint },
      });
      return z.NEVER;
    }
  });

function placeOf({ code, message }: LabError): string[] {
  if (code === "SCENARIO_BAD_REF" || code === "WAIT_NO_CONDITION") return ["for"];
  return message.startsWith("count") ? ["count"] : ["condition"];
}

function waitFor(
  written: string,
  namespace: string | undefined,
  condition: string | undefined,
  count: number | undefined,
): WaitFor {
  const ref = parseObjectRef(written, namespace);
  const wanted = condition ?? DEFAULT_CONDITION[ref.kind];
  if (wanted === undefined) {
    throw new LabError("WAIT_NO_CONDITION", `a ${ref.kind} has no condition that is waited for by default`, {
      hint: "add condition: with the type of one of its status.conditions, or deleted",
    });
  }
  const lower = wanted.toLowerCase();
  if (lower !== "endpoints" && count !== undefined) {
    throw new LabError("WAIT_BAD_CONDITION", "count belongs to condition: endpoints", { hint: "leave count out" });
  }
  if (lower === "deleted") return { kind: "deleted", ref };
  if (lower === "endpoints") {
    if (ref.kind !== "Service")
      throw new LabError("WAIT_BAD_CONDITION", `only a Service has endpoints, not a ${ref.kind}`);
    return { kind: "endpoints", ref, count: count ?? 1 };
  }
  const known = CONDITIONS[ref.kind];
  // kubectl wait compares without regard to letter case; the API's types are in CamelCase.
  const type = known?.find((each) => each.toLowerCase() === lower);
  if (known !== undefined && type === undefined) {
    throw new LabError("WAIT_BAD_CONDITION", `a ${ref.kind} never has the condition ${wanted}`, {
      hint: `a ${ref.kind} has ${known.map((each) => each.toLowerCase()).join(", ")}; deleted waits until it is gone`,
    });
  }
  return { kind: "condition", ref, condition: type ?? `${wanted.slice(0, 1).toUpperCase()}${wanted.slice(1)}` };
}

type WaitOptions = z.output<typeof waitOptions>;

/** Waits for a condition in the cluster; docs/scenarios/wait.md. */
export const wait = defineScenario<WaitOptions>({
  kind: "wait",
  summary: "waits until a condition is true in the cluster",
  options: waitOptions,
  manifests: () => [],
  references: () => [],
  run: async ({ wait: condition, timeoutMs }, _objects, context) => {
    await context.cluster.wait(condition, { timeoutMs, signal: context.signal });
    context.progress(`${formatObjectRef(condition.ref)} ${describe(condition)}`);
  },
});

function describe(wait: WaitFor): string {
  switch (wait.kind) {
    case "condition":
      return `is ${wait.condition}`;
    case "deleted":
      return "is gone";
    case "endpoints":
      return `has ${wait.count} ready endpoints`;
    case "rollout":
      return "is rolled out";
  }
}
