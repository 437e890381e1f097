import type { Command } from "commander";
import { outputOption, quietOption, runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { drawTable, writeData, type DataFormat } from "../write-data.ts";

interface Options {
  filename: string[];
  delete?: boolean;
  output: DataFormat;
  quiet?: boolean;
}

/** `cnilab apply`: the learner's manifests on a running lab, checked as a lab's own are. */
export function declareApply(program: Command, io: CliIo): void {
  const command = program
    .command("apply")
    .summary("apply manifests to a running lab")
    .description("Checks manifests and applies them to a running lab; all objects of all files, or none.")
    .argument("<lab>", runningLabArgument)
    .requiredOption(
      "-f, --filename <file…>",
      "a manifest, - for standard input; may be given several times",
      collect,
      [],
    )
    .option("--delete", "delete the objects instead")
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(command, [
    ["cnilab apply default-deny -f policy.yaml", "your solution"],
    ["cnilab apply default-deny -f a.yaml -f b.yaml", "several files at once"],
    ["cnilab apply default-deny -f policy.yaml --delete", "take it back"],
  ]).action(async (lab: string, options: Options) => {
    const { applyLab } = await import("../../run/apply-lab.ts");
    const context = io.runContext({ isQuiet: options.quiet });
    const changes = await applyLab({ lab, files: options.filename, isDelete: options.delete === true }, context);
    writeData(changes, options.output, io, () =>
      drawTable(
        ["object", "change"],
        changes.map(({ kind, namespace, name, action }) => [
          `${kind.toLowerCase()}/${name}${namespace === undefined ? "" : ` in ${namespace}`}`,
          action,
        ]),
      ),
    );
  });
}

function collect(file: string, earlier: string[]): string[] {
  return [...earlier, file];
}
