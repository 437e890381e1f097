import type { Command } from "commander";
import { withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";

/** `cnilab schema`: the lab file's JSON Schema, for editors. */
export function declareSchema(program: Command, io: CliIo): void {
  const command = program
    .command("schema")
    .summary("print the JSON Schema of lab files")
    .description("Prints the JSON Schema of lab files, for editors: completion and errors while you type.");
  withExamples(command, [
    ["cnilab schema > lab.schema.json", "then: # yaml-language-server: $schema=lab.schema.json"],
  ]).action(async () => {
    const { labSchema } = await import("../../run/lab-schema.ts");
    io.out(`${JSON.stringify(labSchema(), undefined, 2)}\n`);
  });
}
