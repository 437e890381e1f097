import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import * as z from "zod";
import { LabError } from "../core/errors.ts";
import type { CapturedRun } from "./compare-capture.ts";
import { variantKey } from "./compare-variants.ts";
import { makeFolder } from "./make-folder.ts";

const verdict = z.enum(["pass", "fail", "inconclusive"]);

const cellSchema = z.looseObject({
  probe: z.string(),
  kind: z.string(),
  from: z.string(),
  to: z.string(),
  port: z.number().optional(),
  protocol: z.enum(["tcp", "udp"]).optional(),
  side: z.looseObject({
    observed: z.enum(["allowed", "dropped", "rejected", "error", "absent"]),
    reason: z.string(),
    verdict: z.enum(["pass", "fail", "inconclusive", "absent"]),
    verdictReason: z.string(),
    facts: z.record(z.string(), z.union([z.string(), z.number()])),
    tries: z.number(),
  }),
  figures: z.array(z.looseObject({ what: z.string(), unit: z.string(), value: z.number() })),
  isUngraded: z.boolean(),
  notEnforceable: z.string().optional(),
});

const savedSchema = z.looseObject({
  apiVersion: z.literal("cnilab.dev/v1alpha1"),
  kind: z.literal("SavedRun"),
  savedAt: z.iso.datetime(),
  runs: z.array(
    z.looseObject({
      lab: z.looseObject({ name: z.string(), title: z.string() }),
      labDigest: z.string(),
      state: z.enum(["untouched", "solved"]),
      variant: z.looseObject({
        provider: z.string(),
        cni: z.string(),
        mode: z.string(),
        cniVersion: z.string(),
        options: z.record(z.string(), z.unknown()).optional(),
      }),
      grade: z.looseObject({ verdict, earned: z.number(), possible: z.number(), cells: z.number() }),
      phases: z.array(z.looseObject({ phase: z.string(), durationMs: z.number() })),
      cells: z.array(cellSchema),
    }),
  ),
});

/** Runs as `--save` wrote them. */
export interface SavedRun {
  /** ISO 8601. */
  savedAt: string;
  runs: CapturedRun[];
}

/** Reads what {@link saveRuns} wrote; throws USAGE_BASELINE for anything else. */
export function readSavedRun(path: string): SavedRun {
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new LabError("USAGE_BASELINE", `cannot read the saved run ${path}: ${(cause as Error).message}`, { cause });
  }
  const parsed = savedSchema.safeParse(data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const what = issue === undefined ? "" : `: ${issue.path.join(".")} ${issue.message}`;
    throw new LabError("USAGE_BASELINE", `${path} is no saved run${what}`, {
      hint: "cnilab compare LAB --save FILE writes one",
    });
  }
  // What is not checked above is only shown.
  return parsed.data as unknown as SavedRun;
}

/** Writes runs for a later `--baseline`, whole or not at all; throws USAGE_SAVE. */
export async function saveRuns(path: string, savedAt: Date, runs: readonly CapturedRun[]): Promise<void> {
  const document = { apiVersion: "cnilab.dev/v1alpha1", kind: "SavedRun", savedAt: savedAt.toISOString(), runs };
  try {
    makeFolder(dirname(path));
    await writeFileAtomic(path, `${JSON.stringify(document, undefined, 1)}\n`, {});
  } catch (cause) {
    throw new LabError("USAGE_SAVE", `the run could not be saved: ${(cause as Error).message}`, { cause });
  }
}

/**
 * The saved runs that a comparison holds against those of the same lab and state: the variants that run again, or, where
 * none does, all.
 */
export function matchingSaved(
  { runs }: SavedRun,
  of: { lab: string; state: CapturedRun["state"]; variants: readonly CapturedRun["variant"][] },
): CapturedRun[] {
  const ofLab = runs.filter(({ lab, state }) => lab.name === of.lab && state === of.state);
  const again = ofLab.filter(({ variant }) => of.variants.some((each) => variantKey(each) === variantKey(variant)));
  return again.length > 0 ? again : ofLab;
}
