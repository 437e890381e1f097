import type { Command } from "commander";
import { runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";

/** `cnilab kubeconfig`: what kubectl needs to work on a lab. */
export function declareKubeconfig(program: Command, io: CliIo): void {
  const command = program
    .command("kubeconfig")
    .summary("print a lab's kubeconfig, for kubectl")
    .description(
      "Prints the kubeconfig of a running lab, with the token that lets its bearer do everything in this lab. The file " +
        "itself is in the lab's state folder, readable by you alone, and goes with the lab.",
    )
    .argument("<lab>", runningLabArgument)
    .option("--path", "print where the file is instead");
  withExamples(command, [
    ["cnilab kubeconfig first-lab > first-lab.yaml", "a copy, for another tool"],
    ['export KUBECONFIG="$(cnilab kubeconfig first-lab --path)"', "kubectl works on the lab from now on"],
  ]).action(async (lab: string, options: { path?: boolean }) => {
    const { kubeconfigPath } = await import("../../run/lab-kubeconfig.ts");
    const { readFileSync } = await import("node:fs");
    const path = await kubeconfigPath(lab, io.runContext({ isQuiet: true }));
    io.out(options.path === true ? `${path}\n` : readFileSync(path, "utf8"));
  });
}
