import type { Command } from "commander";
import { outputOption, withExamples } from "../help.ts";
import { exitCodes } from "../exit-codes.ts";
import type { CliIo } from "../io.ts";
import { writeData, type DataFormat } from "../write-data.ts";

/** `cnilab doctor`: what this host lacks and how to mend it. */
export function declareDoctor(program: Command, io: CliIo): void {
  const command = program
    .command("doctor")
    .summary("check what this host lacks")
    .description("Checks what the providers need of this host and says how to mend what is missing. Changes nothing.")
    .option("--provider <name>", "only this provider")
    .addOption(outputOption());
  withExamples(command, [["cnilab doctor", "everything"]]).action(
    async (options: { provider?: string; output: DataFormat }) => {
      const { diagnoseHost } = await import("../../run/diagnose-host.ts");
      const diagnoses = await diagnoseHost(options.provider);
      writeData(diagnoses, options.output, io, () =>
        diagnoses
          .map(({ provider, findings }) => {
            const lines = findings.map(({ ok, message, remedy }) => {
              const mark = ok ? io.outPaint.green("✓") : io.outPaint.red("✗");
              return `  ${mark} ${message}${ok || remedy === undefined ? "" : `\n      ${io.outPaint.cyan(remedy)}`}\n`;
            });
            return `${io.outPaint.bold(provider)}\n${lines.join("")}`;
          })
          .join("\n"),
      );
      if (diagnoses.some(({ findings, isNeeded }) => isNeeded && findings.some(({ ok }) => !ok)))
        io.exitCode = exitCodes.hostLacks;
    },
  );
}
