import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runJobs, type CompareJob } from "../../src/run/compare-jobs.ts";
import { planVariants } from "../../src/run/compare-variants.ts";
import type { RunContext } from "../../src/run/context.ts";
import { listBundledLabs } from "../../src/run/bundled-labs.ts";
import { provision, remove, type Provisioned } from "../../src/run/provision.ts";
import { readLab } from "../../src/run/read-lab.ts";
import { onRig, rigEnvironment, weaveManifests, weaveMissing } from "./rig.ts";
import { captureText, changePolicies, ipSets, placePods, replaceDns } from "./weave-labs.ts";

const MINUTES = 60_000;
/** Two clusters of three nodes at once, for six minutes and more: more than CI has. */
const isLong = process.env["CNILAB_LONG_LANES"] === undefined ? "too long for CI: npm run test:weave" : undefined;
const TEXT = "rig-text-that-an-encrypted-link-hides";

/** What was seen on one cluster, which all labs used one after another. */
interface Seen {
  /** Every lab in every state: what it has to be, and what it was. */
  grades: { name: string; wanted: string; was: string }[];
  ingress: Awaited<ReturnType<typeof changePolicies>>;
  egress: Awaited<ReturnType<typeof changePolicies>>;
  capture: Awaited<ReturnType<typeof captureText>>;
  /** What the last reset did, before which the pods of cluster DNS were replaced. */
  changes: string[];
  /** A node's IP sets after CNI installation, and after all labs and a last reset. */
  sets: { before: Record<string, string[]>; after: Record<string, string[]> };
}

/** Made when the tests run: what is skipped leaves nothing. */
let stateRoot = "";

function contextFor(cluster: string): RunContext {
  return {
    env: { ...rigEnvironment, CNILAB_FILES: weaveManifests },
    stateRoot,
    signal: new AbortController().signal,
    emit: (event) => {
      if (event.type === "phase-ended") console.log(`${cluster}: ${event.title} ${Math.round(event.durationMs)} ms`);
    },
    now: () => new Date(),
    monotonicMs: () => performance.now(),
  };
}

async function jobsFor(cniOptions: Record<string, string>, context: RunContext): Promise<CompareJob[]> {
  const reads = await Promise.all(listBundledLabs().map((name) => readLab(name)));
  return reads.flatMap((read) =>
    planVariants(read, { cnis: [{ name: "weave", mode: "sleeve" }], providers: ["kind"], cniOptions }, context).flatMap(
      (planned): CompareJob[] => {
        if (!("plan" in planned)) return [];
        const { plan, variant } = planned;
        const isToSolve = plan.tasks.some(({ solution }) => solution.length > 0);
        return [{ plan, variant, states: isToSolve ? ["untouched", "solved"] : ["untouched"] }];
      },
    ),
  );
}

/** Runs every lab on one cluster of that name, then looks at the cluster itself. */
async function seenOn(name: string, cniOptions: Record<string, string>): Promise<Seen> {
  const context = contextFor(name);
  const jobs = await jobsFor(cniOptions, context);
  const seen: Partial<Seen> = {};
  let before: Record<string, string[]> = {};
  const look = async ({ cluster }: Provisioned): Promise<void> => {
    const address = await placePods(cluster);
    seen.capture = await captureText(cluster, address, TEXT);
    seen.ingress = await changePolicies(cluster, address, "Ingress");
    seen.egress = await changePolicies(cluster, address, "Egress");
    await replaceDns(cluster);
    seen.changes = (await cluster.reset?.())?.changes ?? [];
    seen.sets = { before, after: await ipSets(name) };
  };
  const { results, failures } = await runJobs(jobs, { parallel: 1 }, context, {
    canReset: () => true,
    make: async (plan, undo, inner, laterPlans) => {
      const lab = await provision({ ...plan, lab: { ...plan.lab, name } }, undo, inner, undefined, { laterPlans });
      before = await ipSets(name);
      return lab;
    },
    remove: async (lab, inner) => {
      try {
        await look(lab);
      } finally {
        await remove(lab, inner);
      }
    },
  });
  const [failure] = failures;
  if (failure !== undefined) throw failure;
  seen.grades = jobs.flatMap((job) => {
    const result = results.get(job);
    if (result === undefined || "error" in result)
      throw new Error(`${job.plan.lab.name} did not run`, { cause: result?.error });
    return result.runs.map(({ state, grade: { verdict, earned, possible } }) => {
      const isUnsolved = state === "untouched" && possible > 0;
      return {
        name: `${job.plan.lab.name}, ${state}`,
        wanted: isUnsolved ? `fail, 0 of ${possible}` : `pass, ${possible} of ${possible}`,
        was: `${verdict}, ${earned} of ${possible}`,
      };
    });
  });
  return seen as Seen;
}

onRig(weaveMissing() ?? isLong)("labs on real Weave in mode sleeve", () => {
  const seen: Record<string, Seen> = {};

  beforeAll(async () => {
    stateRoot = mkdtempSync(join(tmpdir(), "cnilab-rig-weave-"));
    const [plain, encrypted] = await Promise.all([
      seenOn("rig-weave-plain", {}),
      seenOn("rig-weave-secret", { encrypted: "true" }),
    ]);
    Object.assign(seen, { plain, encrypted });
  }, 15 * MINUTES);

  afterAll(() => rmSync(stateRoot, { recursive: true, force: true }));

  const both = ["plain", "encrypted"];

  test.each(both)("%s: untouched scores 0, solved all points", (kind) => {
    const grades = seen[kind]?.grades ?? [];
    expect(grades.map(({ name, was }) => `${name}: ${was}`)).toEqual(
      grades.map(({ name, wanted }) => `${name}: ${wanted}`),
    );
    // Six labs, three of them with a task.
    expect(grades.length).toBeGreaterThanOrEqual(9);
  });

  test.each(both)("%s: what was applied is in force as soon as it has settled, time after time", (kind) => {
    const { ingress, egress } = seen[kind] as Seen;
    const wanted = ingress.outcomes.map((_outcome, round) => (round % 2 === 0 ? "no-answer" : "answered"));
    console.log(`${kind}: settled after ${ingress.settledMs.join(", ")} and ${egress.settledMs.join(", ")} ms`);
    expect({ ingress: ingress.outcomes, egress: egress.outcomes }).toEqual({ ingress: wanted, egress: wanted });
    expect(wanted.length).toBeGreaterThanOrEqual(10);
  });

  test.each(both)("%s: after a reset the nodes have the IP sets of the beginning", (kind) => {
    const { before, after } = (seen[kind] as Seen).sets;
    expect(Object.keys(after)).toHaveLength(3);
    for (const [node, sets] of Object.entries(after)) {
      expect(sets).toHaveLength(before[node]?.length ?? 0);
      // Each settling names the two sets of our own policy's peers anew.
      expect(sets.filter((name) => !before[node]?.includes(name)).length).toBeLessThanOrEqual(2);
    }
  });

  test.each(both)("%s: a reset takes nothing from pods that others made meanwhile", (kind) => {
    const { changes } = seen[kind] as Seen;
    expect(changes).toContain("removed Namespace rig-weave");
    expect(changes.filter((change) => !change.startsWith("removed Namespace "))).toEqual([]);
  });

  test("a text from pod to pod is seen on the node's link, and not where Weave encrypts", () => {
    const { plain, encrypted } = seen as { plain: Seen; encrypted: Seen };
    expect(plain.capture.answered).toBeGreaterThan(0);
    expect(encrypted.capture.answered).toBeGreaterThan(0);
    expect(plain.capture.frames).toContain(TEXT);
    expect(encrypted.capture.frames).toContain(".6783: UDP");
    expect(encrypted.capture.frames).not.toContain(TEXT);
  });
});
