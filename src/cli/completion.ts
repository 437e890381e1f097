import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import { listBundledLabs } from "../run/bundled-labs.ts";
import { listLabNames, stateRoot } from "../run/state-directory.ts";
import { describeCompletion } from "./help.ts";
import type { CliIo } from "./io.ts";

/** The script asks the package bash-completion for the words of the line; many hosts do not have it. */
const wordsWithoutPackage = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
  _get_comp_words_by_ref() {
    cur=\${COMP_WORDS[COMP_CWORD]}
    prev=\${COMP_WORDS[COMP_CWORD - 1]}
    words=("\${COMP_WORDS[@]}")
    cword=$COMP_CWORD
  }
fi
`;

/** The script's read-only variables would be assigned again, and complain, where it is sourced a second time. */
const onceOnly = { begin: "if ! declare -F __cnilab_complete >/dev/null; then\n", end: "fi\n" };

/** Verbs whose first argument is a lab that may not run yet. */
const planned = ["run", "up", "compare", "explain", "test", "validate", "plan"];
const running = ["apply", "probe", "grade", "watch", "hint", "reset", "down", "status", "exec", "shell", "logs"];

/** Adds `completion SHELL` and the hidden `complete` that its scripts call. */
export function addCompletion(program: Command, io: CliIo): void {
  const root = tab(program, { completionCommandName: "completion" });
  const command = program.commands.find((each) => each.name() === "completion");
  if (command !== undefined) {
    describeCompletion(command);
    command.hook("preAction", (_program, { args }) => {
      if (args[0] === "bash") io.out(wordsWithoutPackage + onceOnly.begin);
    });
    command.hook("postAction", (_program, { args }) => {
      if (args[0] === "bash") io.out(onceOnly.end);
    });
  }
  for (const verb of planned) completeFirst(verb, () => listBundledLabs());
  for (const verb of running) completeFirst(verb, () => listLabNames(stateRoot(io.env)));

  function completeFirst(verb: string, values: () => string[]): void {
    const command = root.commands.get(verb);
    const [first] = command?.arguments.keys() ?? [];
    if (command === undefined || first === undefined) return;
    const isVariadic = command.arguments.get(first)?.variadic ?? false;
    command.argument(
      first,
      (complete) => {
        for (const value of values()) complete(value, "");
      },
      isVariadic,
    );
  }
}
