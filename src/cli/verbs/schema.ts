import { Argument, type Command } from "commander";
import { withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";

/** `cnilab schema`: the JSON Schema of lab and exam files, for editors. */
export function declareSchema(program: Command, io: CliIo): void {
  const command = program
    .command("schema")
    .summary("print the JSON Schema of lab or exam files")
    .description("Prints the JSON Schema of lab or exam files, for editors: completion and errors while you type.")
    .addArgument(new Argument("[of]", "which files").choices(["lab", "exam"]).default("lab"));
  withExamples(command, [
    ["cnilab schema > lab.schema.json", "then: # yaml-language-server: $schema=lab.schema.json"],
    ["cnilab schema exam > exam.schema.json", "of exams"],
  ]).action(async (of: "lab" | "exam") => {
    const { fileSchema } = await import("../../run/lab-schema.ts");
    io.out(`${JSON.stringify(fileSchema(of), undefined, 2)}\n`);
  });
}
