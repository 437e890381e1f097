import { spawn } from "node:child_process";
import { constants } from "node:os";
import { LabError } from "../core/errors.ts";
import { runningRecord } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import { findKnownLab } from "./find-lab.ts";
import { providerNamed } from "./provision.ts";
import { labDirectory } from "./state-directory.ts";

/** The kubeconfig of a running lab, by its path. Throws LAB_NOT_RUNNING, and LAB_NO_KUBECONFIG where the cluster is not the lab's. */
export async function kubeconfigPath(argument: string, context: RunContext): Promise<string> {
  const name = findKnownLab(context.stateRoot, argument);
  const record = await runningRecord(name, context);
  const { kubeconfig } = providerNamed(record.provider);
  if (kubeconfig === undefined) {
    throw new LabError("LAB_NO_KUBECONFIG", `lab ${name} has no kubeconfig of its own: it is on a cluster of yours`, {
      hint: "use the kubeconfig that it was made with",
    });
  }
  return kubeconfig(labDirectory(context.stateRoot, name));
}

/** Runs the user's own shell with KUBECONFIG set, and resolves to its exit code. */
export async function shellWithKubeconfig(
  argument: string,
  env: Readonly<Record<string, string | undefined>>,
  context: RunContext,
): Promise<number> {
  const path = await kubeconfigPath(argument, context);
  const shell = env["SHELL"] ?? "/bin/sh";
  const child = spawn(shell, { stdio: "inherit", env: { ...env, KUBECONFIG: path } });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
