import type { Command } from "commander";
import { runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";

/**
 * bash where there is one: at its end dash wants to give the terminal back to a process group outside its pid
 * namespace, fails and loses the exit code.
 */
const shell = ["sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"];

/** `cnilab shell`: an interactive shell in the network of a pod or node. */
export function declareShell(program: Command, io: CliIo): void {
  const command = program
    .command("shell")
    .summary("open a shell in a pod or on a node, or one where kubectl is the lab's")
    .description(
      "Opens a shell in the network of a pod or node, sandboxed as cnilab exec is. Without SOURCE it is your own shell, " +
        "with KUBECONFIG set, so that kubectl and its like work on the lab.",
    )
    .argument("<lab>", runningLabArgument)
    .argument("[source]", "NAMESPACE/POD, NAMESPACE/deployment/NAME, node/NAME or external")
    .option("-c, --container <name>", "which of the pod's containers; by default the first");
  withExamples(command, [
    ["cnilab shell first-lab", "kubectl get pods -A"],
    ["cnilab shell first-lab node/worker1", "ip route, ip -d link, nft list ruleset, tcpdump"],
    ["cnilab shell first-lab shop/deployment/web", "what a web pod sees"],
  ]).action(async (lab: string, source: string | undefined, options: { container?: string }) => {
    if (source === undefined) {
      const { shellWithKubeconfig } = await import("../../run/lab-kubeconfig.ts");
      io.exitCode = await shellWithKubeconfig(lab, io.env, io.runContext({ isQuiet: true }));
      return;
    }
    const { execInLab } = await import("../../run/exec-lab.ts");
    const result = await execInLab(
      { lab, source, argv: [...shell], container: options.container, isInteractive: true, timeout: "60s" },
      io.runContext({ isQuiet: true }),
    );
    io.exitCode = result.exitCode;
  });
}
