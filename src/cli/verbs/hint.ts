import type { Command } from "commander";
import { quoteWord } from "../../core/shell-word.ts";
import { makeVisible, makeVisibleLine } from "../../core/visible-text.ts";
import type { HintOutcome, TaskHints } from "../../run/lab-hints.ts";
import { outputOption, runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { writeData, type DataFormat } from "../write-data.ts";

interface Options {
  list?: boolean;
  output: DataFormat;
}

/** `cnilab hint`: the next hint of a task, for its cost. */
export function declareHint(program: Command, io: CliIo): void {
  const command = program
    .command("hint")
    .summary("show the next hint of a task")
    .description(
      "Shows the next hint of a task and remembers that it was taken: the grade takes its cost off the task's points. " +
        "--list shows those that were taken, and what the next one costs, for nothing.",
    )
    .argument("<lab>", runningLabArgument)
    .argument("[task]", "name of a task; not needed where only one has hints")
    .option("--list", "show the hints that were taken, and take none")
    .addOption(outputOption());
  withExamples(command, [
    ["cnilab hint mtu-black-hole", "the next hint of its only task"],
    ["cnilab hint mtu-black-hole --list", "those that were taken, and what the next one costs"],
  ]).action(async (lab: string, task: string | undefined, options: Options) => {
    const { labHints } = await import("../../run/lab-hints.ts");
    const outcome = await labHints({ lab, task, isListOnly: options.list === true }, io.runContext());
    writeData(outcome, options.output, io, () => describeHints(outcome));
  });
}

/** What `cnilab hint` shows: the hint that was taken, or all that were, and what comes next. */
export function describeHints({ lab, shown, tasks }: HintOutcome): string {
  return tasks
    .map((hints) => {
      const { task, taken, left } = hints;
      const first = shown === undefined ? 0 : taken.length - 1;
      const lines = taken.slice(first).flatMap(({ text, cost }, index) => {
        const [head = "", ...rest] = makeVisible(text).split("\n");
        const which = `hint ${first + index + 1} of ${taken.length + left}, ${costText(cost)}`;
        return [`  ${which}: ${head}\n`, ...rest.map((line) => `    ${line}\n`)];
      });
      return [`${makeVisibleLine(task)}\n`, ...lines, `  ${nextText(lab, hints)}\n`].join("");
    })
    .join("");
}

function nextText(lab: string, { task, left, nextCost = 0 }: TaskHints): string {
  if (left === 0) return "there is no further hint";
  return `${left} more, the next for ${costText(nextCost)}: cnilab hint ${quoteWord(lab)} ${quoteWord(makeVisibleLine(task))}`;
}

function costText(cost: number): string {
  if (cost === 0) return "no points";
  return cost === 1 ? "1 point" : `${cost} points`;
}
