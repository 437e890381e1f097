import * as z from "zod";
import { LabError } from "../core/errors.ts";
import type { ObjectRef } from "../providers/types.ts";
import { formatObjectRef, objectRef } from "./object-refs.ts";
import { settle } from "./settle.ts";
import { defineScenario } from "./types.ts";

const MOST_REPLICAS = 1000;
const name = z.string().min(1).optional();

const scaleOptions = z
  .strictObject({
    deployment: name.describe("Name of the Deployment"),
    replicaset: name,
    statefulset: name,
    namespace: z.string().min(1),
    replicas: z.int().min(0).max(MOST_REPLICAS),
  })
  .transform(
    ({ deployment, replicaset, statefulset, namespace, replicas }, issues): { ref: ObjectRef; replicas: number } => {
      const named = Object.entries({ Deployment: deployment, ReplicaSet: replicaset, StatefulSet: statefulset }).filter(
        ([, value]) => value !== undefined,
      );
      const [[kind, value] = []] = named;
      try {
        if (named.length === 1 && kind !== undefined && value !== undefined)
          return { ref: objectRef(kind, namespace, value), replicas };
        throw new LabError("SCALE_NO_TARGET", "scale names one workload", {
          hint: "write deployment: NAME, or replicaset or statefulset",
        });
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        issues.addIssue({ code: "custom", message: error.message, params: { code: error.code, hint: error.hint } });
        return z.NEVER;
      }
    },
  );

type ScaleOptions = z.output<typeof scaleOptions>;

/** Sets the replicas of a workload; docs/scenarios/scale.md. */
export const scale = defineScenario<ScaleOptions>({
  kind: "scale",
  summary: "sets the replicas of a workload",
  options: scaleOptions,
  manifests: () => [],
  references: ({ ref: { kind, namespace = "default", name: target } }) =>
    kind === "Deployment" || kind === "ReplicaSet" || kind === "StatefulSet"
      ? [
          {
            kind: "workload",
            namespace,
            workload: kind.toLowerCase() as "deployment" | "replicaset" | "statefulset",
            name: target,
          },
        ]
      : [],
  run: async ({ ref, replicas }, _objects, context) => {
    await context.cluster.scale(ref, replicas);
    context.signal.throwIfAborted();
    context.progress(`${formatObjectRef(ref)} scaled to ${replicas}`);
    await settle(context);
  },
});
