import type { Command } from "commander";
import { outputOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import type { ListedLab } from "../../run/list-labs.ts";
import { drawTable, writeData, type DataFormat } from "../write-data.ts";

/** `cnilab list`: the labs that can be named without a path. */
export function declareList(program: Command, io: CliIo): void {
  const command = program
    .command("list")
    .summary("list the labs that come with cnilab")
    .description("Lists the labs that come with cnilab: what each teaches, and on which CNIs it runs.")
    .addOption(outputOption());
  withExamples(command, [
    ["cnilab list", "all of them"],
    ["cnilab list -o json", "for programs"],
  ]).action(async (options: { output: DataFormat }) => {
    const { listLabs } = await import("../../run/list-labs.ts");
    const labs = await listLabs();
    writeData(labs, options.output, io, () =>
      drawTable(
        ["lab", "level", "minutes", "cnis", "tasks", "title"],
        labs.map((lab) => [
          lab.name,
          lab.level ?? "-",
          lab.minutes === undefined ? "-" : String(lab.minutes),
          supportedCnis(lab.runs),
          String(lab.tasks),
          lab.title,
        ]),
      ),
    );
  });
}

/** `calico` where every mode runs on some provider, else `flannel:vxlan`; ` (kind)` behind what runs on that one alone. */
export function supportedCnis(runs: ListedLab["runs"]): string {
  const providers = new Set(runs.map(({ provider }) => provider));
  return [...new Set(runs.map(({ cni }) => cni))]
    .flatMap((cni) => {
      const ofCni = runs.filter((run) => run.cni === cni);
      const supported = ofCni.filter((run) => run.supported);
      const on = new Set(supported.map(({ provider }) => provider));
      const where = on.size === 1 && providers.size > 1 ? ` (${[...on].join("")})` : "";
      const modes = new Set(supported.map(({ mode }) => mode));
      const isWhole = modes.size === new Set(ofCni.map(({ mode }) => mode)).size;
      return isWhole ? [`${cni}${where}`] : [...modes].map((mode) => `${cni}:${mode}${where}`);
    })
    .join(", ");
}
