import { Option, type Command } from "commander";

/** What a LAB argument may be, for every verb's help. */
export const labArgument = "lab file, its folder, or the name of a bundled lab (cnilab list)";
/** For verbs that work on what runs. */
export const runningLabArgument = "name of a running lab (cnilab status), or its file or folder";

/** Ends a verb's help with commands that can be pasted, each with what it does. */
export function withExamples(
  command: Command,
  examples: readonly (readonly [example: string, what: string])[],
): Command {
  const width = Math.max(...examples.map(([example]) => example.length));
  const lines = examples.map(([example, what]) => `  ${example.padEnd(width)}  ${what}`);
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

/** `-o`, as every verb that prints data has it. */
export function outputOption(formats: readonly string[] = ["table", "json", "yaml"]): Option {
  return new Option("-o, --output <format>", "how standard output is written").choices(formats).default(formats[0]);
}

/** `--quiet`, for verbs that draw progress. */
export function quietOption(): Option {
  return new Option("-q, --quiet", "no progress on standard error; warnings and errors stay");
}

/** The help of `completion`. */
export function describeCompletion(command: Command): void {
  command
    .summary("print a completion script for your shell")
    .description("Prints a script that completes verbs, options, labs and running labs.");
  withExamples(command, [
    ["cnilab completion zsh > ~/.zfunc/_cnilab", "for zsh, with ~/.zfunc in fpath"],
    ["cnilab completion fish | source", "for fish"],
    [". <(cnilab completion bash)", "for bash, in this shell; in ~/.bashrc for every one"],
  ]);
}
