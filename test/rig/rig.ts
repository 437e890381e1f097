import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { cnis } from "../../src/cnis/registry.ts";

/*
 * The rig: a Docker engine that has kind's node image, the CNIs' images and agnhost, and a folder with the kind and
 * kubectl commands (bin) and upstream manifests (manifests). CNILAB_RIG_HOME names the folder; `.ci/run` sets it.
 */

/** Why there is no rig here; undefined where there is one: whatever it then lacks is a failure, not a skip. */
export const rigMissing: string | undefined = missing();

/** Folder of the rig's commands and manifests. */
export const rigHome = process.env["CNILAB_RIG_HOME"] ?? "";

/** What a program needs to find the rig's commands and files. */
export const rigEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${join(rigHome, "bin")}:${process.env["PATH"] ?? ""}`,
  CNILAB_FILES: join(rigHome, "manifests"),
  CNILAB_AGENT_IMAGE: process.env["CNILAB_AGENT_IMAGE"] ?? "rig/node:1",
};

/** Where the rig has Weave's manifest, under its upstream name: in its source tree. */
export const weaveManifests = join(rigHome, "src", "weave", "prog", "weave-kube");

/** Why there are no labs on Weave here: no registry serves its images, and a rig need not have them. */
export function weaveMissing(): string | undefined {
  if (rigMissing !== undefined) return rigMissing;
  const references = ["weave-kube", "weave-npc"].map((name) => `rajchaudhuri/${name}:${cnis.weave.install.version}`);
  const { status } = spawnSync("docker", ["image", "inspect", ...references], { stdio: "ignore" });
  if (status === 0 && existsSync(weaveManifests)) return undefined;
  return `needs Docker and the rig: it has no Weave (${references.join(", ")} and its source tree)`;
}

function missing(): string | undefined {
  const reason = process.env["CNILAB_RIG_MISSING"];
  if (reason !== undefined) return `needs Docker and the rig: ${reason}`;
  if (process.env["CNILAB_RIG_HOME"] === undefined) return "needs Docker and the rig: CNILAB_RIG_HOME is not set";
  return undefined;
}

/** Tests on real clusters; where there is no rig, one skipped test that says why. */
export const describeOnRig = onRig(rigMissing);

/** {@link describeOnRig} for tests that need more than the rig; `reason` says what is missing. */
export function onRig(reason: string | undefined): (name: string, tests: () => void) => void {
  return reason === undefined
    ? (name, tests) =>
        describe.for([name])("%s", () => {
          tests();
        })
    : (name) => test.for([name])("%s", (_name, context) => context.skip(reason));
}
