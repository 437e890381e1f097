import { readFileSync } from "node:fs";
import { Command } from "commander";
import type { CliIo } from "./io.ts";
import { describeCompletion } from "./help.ts";
import { verbs } from "./verbs.ts";
import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { installed } from "../core/installation.ts";

/** The command line's grammar: every verb with its help. Nothing of a verb's work is loaded before it is asked for. */
export async function buildProgram(io: CliIo, argv: readonly string[]): Promise<Command> {
  const program = new Command("cnilab")
    .description("Makes multi-node Kubernetes networks from a lab file, probes them and grades what it saw.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand("help [verb]", "show the help of a verb")
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError("(add --help for examples)")
    .configureHelp({ showGlobalOptions: false });
  for (const declare of Object.values(verbs)) declare(program, io);
  program.addHelpText("after", programHelp);
  if (argv[0] === "complete" || argv[0] === "completion") {
    const { addCompletion } = await import("./completion.ts");
    addCompletion(program, io);
  } else {
    // In the list and for `help`; what does the work is loaded only when it is asked for.
    describeCompletion(program.command("completion").argument("<shell>", "zsh, bash or fish"));
  }
  const [verb, asked] = argv;
  if (verb === "help" && asked !== undefined && !program.commands.some((command) => command.name() === asked)) {
    throw new LabError("USAGE_UNKNOWN_VERB", `there is no verb ${JSON.stringify(asked)}`, {
      hint: didYouMean(
        asked,
        program.commands.map((command) => command.name()),
      ),
    });
  }
  return program;
}

const programHelp = `
Start here:
  cnilab run first-lab          make the first lab, probe it, grade it, remove it
  cnilab list                   what labs there are
  cnilab up default-deny        make a lab to work on …
  cnilab apply default-deny -f my-policy.yaml
  cnilab grade default-deny     … have it graded …
  cnilab down default-deny      … and remove it

Exit codes: 0 pass, 1 an expectation failed, 2 usage or invalid lab, 3 inconclusive, 4 provisioning failed,
5 this host lacks something (cnilab doctor), 130 interrupted.`;

function packageVersion(): string {
  const text = readFileSync(installed("package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
