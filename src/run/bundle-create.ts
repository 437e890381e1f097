import { execa } from "execa";
import { readFileSync } from "node:fs";
import { installed } from "../core/installation.ts";
import { LabError } from "../core/errors.ts";
import { optionsFor, type CniOptionTexts } from "../plan/cni-options.ts";
import { createBundle, type BundleSummary } from "../supplies/create-bundle.ts";
import { hostPlatform, type ExecutableName } from "../supplies/lock.ts";
import { bundleNeeds } from "./bundle-needs.ts";
import type { RunContext } from "./context.ts";
import { PhaseRunner } from "./phases.ts";
import { readPlan, type LabOverrides } from "./read-lab.ts";
import { registries } from "./registries.ts";
import { localDocker, runSupplies } from "./supplies.ts";

export interface BundleRequest {
  labs: readonly string[];
  /** A folder, or an archive where it ends in `.tar`. */
  path: string;
  provider: string;
  /** Each lab on each of them; by default on its own. */
  cnis: readonly NonNullable<LabOverrides["cni"]>[];
  /** Each goes to those of the CNIs that have it. */
  cniOptions?: CniOptionTexts | undefined;
  /** "docker": the images that the local engine has; otherwise they are pulled. */
  from: "docker" | undefined;
}

/** Makes a bundle or adds to one; what is there is kept. Throws what planning a lab throws, SUPPLY_… and BUNDLE_…. */
export async function bundleLabs(request: BundleRequest, context: RunContext): Promise<BundleSummary> {
  const phases = new PhaseRunner(context);
  const plans = await phases.run("plan", "plan the labs", async () => {
    const overrides = request.cnis.length === 0 ? [undefined] : request.cnis;
    const pairs = request.labs.flatMap((lab) => overrides.map((cni) => ({ lab, cni })));
    const { provider, cnis, cniOptions: texts = {} } = request;
    return Promise.all(
      pairs.map(async ({ lab, cni }) => {
        const cniOptions = cni === undefined ? texts : optionsFor(cni, cnis, { cnis: registries.cnis, texts });
        return (await readPlan(lab, { provider, cni, cniOptions, onAnyMachines: true })).plan;
      }),
    );
  });
  return phases.run("provision", `bundle into ${request.path}`, async () => {
    const supplies = runSupplies(context, { isOffline: false });
    return createBundle(request.path, await bundleNeeds(plans, supplies), {
      supplies,
      docker: localDocker,
      imagesFrom: request.from === "docker" ? "engine" : "registry",
      describeExecutable,
      createdBy: `cnilab ${packageVersion()}`,
      now: context.now,
      signal: context.signal,
      progress: (message, done, total) =>
        context.emit({
          type: "progress",
          phase: "provision",
          message,
          ...(done === undefined || total === undefined ? {} : { done, total }),
        }),
    });
  });
}

const versionArguments: Readonly<Record<ExecutableName, string[]>> = {
  kind: ["version"],
  kubectl: ["version", "--client"],
  kubeadm: ["version", "--output", "short"],
  kubelet: ["--version"],
};

/** Runs it for its version; what runs here is for this platform. */
async function describeExecutable(name: ExecutableName, path: string): Promise<{ version: string; platform: string }> {
  const { stdout, failed } = await execa(path, versionArguments[name], { reject: false, timeout: 10_000 });
  const version = /\bv\d+\.\d+\.\d+\S*/.exec(stdout)?.[0];
  if (failed || version === undefined) {
    throw new LabError("SUPPLY_MISSING", `${path} does not say its version`, { hint: `install ${name} anew` });
  }
  return { version, platform: hostPlatform() };
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(installed("package.json"), "utf8")) as { version: string }).version;
}
