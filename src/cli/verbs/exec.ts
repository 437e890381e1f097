import type { Command } from "commander";
import { LabError } from "../../core/errors.ts";
import { runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";

interface Options {
  interactive?: boolean;
  tty?: boolean;
  container?: string;
  timeout: string;
}

/** `cnilab exec`: one command in the network of a pod, a node or the host outside the cluster. */
export function declareExec(program: Command, io: CliIo): void {
  const command = program
    .command("exec")
    .summary("run a command in a pod, on a node, or outside the cluster")
    .description(
      "Runs one of this host's programs in the network of a pod or node, sandboxed: it sees no home folder and can " +
        "change nothing of the host. Its exit code is this command's.",
    )
    .argument("<lab>", runningLabArgument)
    .argument("<source>", "NAMESPACE/POD, NAMESPACE/deployment/NAME, node/NAME or external")
    .argument("[command...]", "the command, after --")
    .showHelpAfterError("(write -- before the command; --help has examples)")
    .option("-i, --interactive", "with your own standard input")
    .option("-t, --tty", "with your own terminal")
    .option("-c, --container <name>", "which of the pod's containers; by default the first")
    .option("--timeout <duration>", "end it after this long", "60s");
  withExamples(command, [
    ["cnilab exec first-lab node/worker1 -- ip route", "a node's routes"],
    ["cnilab exec first-lab visitors/deployment/visitor -- curl -s http://web.shop", "from a pod of a Deployment"],
    ["cnilab exec -it first-lab node/worker1 -- tcpdump -ni any", "a capture, until you press Ctrl-C"],
  ]).action(async (lab: string, source: string, argv: string[], options: Options) => {
    if (argv.length === 0) {
      throw new LabError("USAGE_NO_COMMAND", "which command?", { hint: `cnilab exec ${lab} ${source} -- ip route` });
    }
    const { execInLab } = await import("../../run/exec-lab.ts");
    const result = await execInLab(
      {
        lab,
        source,
        argv,
        container: options.container,
        isInteractive: options.interactive === true || options.tty === true,
        timeout: options.timeout,
      },
      io.runContext({ isQuiet: true }),
    );
    // The command's own bytes: whoever runs it wants its output as it is.
    if (result.stdout !== "") io.out(result.stdout);
    if (result.stderr !== "") io.err(result.stderr);
    io.exitCode = result.exitCode;
  });
}
