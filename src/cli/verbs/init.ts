import type { Command } from "commander";
import { withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";

/** `cnilab init`: a lab to start from. */
export function declareInit(program: Command, io: CliIo): void {
  const command = program
    .command("init")
    .summary("write a lab to start from")
    .description(
      "Writes a small lab that works: lab.yaml, a manifest and a README. Existing files are never overwritten.",
    )
    .argument("<folder>", "folder to make; its name becomes the lab's");
  withExamples(command, [
    ["cnilab init labs/mine", "a lab called mine"],
    ["cnilab run labs/mine", "its grade: one probe fails until its task is solved"],
    ["cnilab run labs/mine --solution", "its grade when it is"],
  ]).action(async (folder: string) => {
    const { initLab, runCommand } = await import("../../run/init-lab.ts");
    const files = await initLab(folder);
    io.out(`${files.map((file) => `${file}\n`).join("")}`);
    io.err(`\nrun it: ${runCommand(folder)}\n`);
  });
}
