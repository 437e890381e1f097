import { apply } from "./apply.ts";
import { deleteStep } from "./delete.ts";
import { exec } from "./exec.ts";
import { fault } from "./fault.ts";
import { restore } from "./restore.ts";
import { scale } from "./scale.ts";
import type { ScenarioKind } from "./types.ts";
import { wait } from "./wait.ts";

/** Every kind of scenario step by its key in a lab file; one line each, its docs in docs/scenarios/. */
export const scenarios = { apply, delete: deleteStep, wait, scale, exec, fault, restore } as const satisfies Record<
  string,
  ScenarioKind
>;

/** A kind's key. */
export type ScenarioKindName = keyof typeof scenarios;
