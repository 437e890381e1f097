import type { Command } from "commander";
import { runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";

/** `cnilab logs`: what a pod's servers wrote. */
export function declareLogs(program: Command, io: CliIo): void {
  const command = program
    .command("logs")
    .summary("show what a pod's servers wrote")
    .description("Shows what the servers of a pod wrote, as kubectl logs does.")
    .argument("<lab>", runningLabArgument)
    .argument("<pod>", "NAMESPACE/POD, or NAMESPACE/deployment/NAME for one of its pods")
    .option("-c, --container <name>", "which of the pod's containers; by default the first");
  withExamples(command, [["cnilab logs first-lab shop/deployment/web", "who asked a web pod for what"]]).action(
    async (lab: string, pod: string, options: { container?: string }) => {
      const { podLogs } = await import("../../run/exec-lab.ts");
      io.out(await podLogs({ lab, source: pod, container: options.container }, io.runContext({ isQuiet: true })));
    },
  );
}
