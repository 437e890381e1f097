import type * as z from "zod";
import type { EndpointRef, Plan, PlannedObject, PlannedStep, PlannedTopology } from "../plan/types.ts";
import type { Cluster } from "../providers/types.ts";

export interface ScenarioContext {
  plan: Plan;
  cluster: Cluster;
  signal: AbortSignal;
  /** One line for the progress display. */
  progress(message: string): void;
}

/** Where a step stands in its lab. */
export interface StepPlace {
  /** Undefined where the topology itself is wrong. */
  topology: PlannedTopology | undefined;
  /** The steps before it, in their order. */
  earlier: readonly PlannedStep[];
}

/** A kind of scenario step: `options` parses what stands under the kind's key. */
export interface ScenarioKind<Options = unknown> {
  kind: string;
  summary: string;
  options: z.ZodType<Options>;
  /** Manifest files it names, relative to the lab file. */
  manifests(options: Options): string[];
  references(options: Options): EndpointRef[];
  /** What is wrong with a step at its place in the lab, found by `validate`; undefined when nothing is. */
  check?(options: Options, place: StepPlace): { code: string; message: string; hint?: string } | undefined;
  /** Whether nothing of the step's effect is there to be taken back later; only of those that have a name. */
  leavesNothing?(options: Options): boolean;
  /** Resolves when the step's effect is there; readiness that times out is an error. */
  run(options: Options, objects: PlannedObject[], context: ScenarioContext): Promise<void>;
}

export function defineScenario<Options>(kind: ScenarioKind<Options>): ScenarioKind<Options> {
  return kind;
}
