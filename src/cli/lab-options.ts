import { InvalidArgumentError, Option, type Command } from "commander";
import { reporters, type ReporterName } from "../report/registry.ts";
import type { LabOverrides } from "../run/read-lab.ts";

/** Where a report goes besides standard output. */
export interface ReporterTarget {
  name: ReporterName;
  file: string;
}

export interface OverrideOptions {
  provider?: string;
  cni?: NonNullable<LabOverrides["cni"]>;
}

/** `--provider` and `--cni`, for verbs that plan a lab. */
export function withOverrides(command: Command): Command {
  return command
    .addOption(new Option("--provider <name>", "what the nodes are made of, instead of what the lab says"))
    .addOption(
      new Option("--cni <name[:mode]>", "another CNI that the lab claims, such as flannel:host-gw").argParser(parseCni),
    );
}

/** `--reporter`, for verbs that grade. */
export function withReporters(command: Command): Command {
  return command.addOption(
    new Option("--reporter <name=file,…>", `also write the report to files: ${Object.keys(reporters).join(", ")}`)
      .argParser(parseReporters)
      .default([], "none"),
  );
}

/** `calico` or `flannel:host-gw`. */
export function parseCni(text: string): NonNullable<LabOverrides["cni"]> {
  const [name = "", mode, ...rest] = text.split(":");
  if (name === "" || mode === "" || rest.length > 0) {
    throw new InvalidArgumentError("write NAME or NAME:MODE, such as calico or flannel:host-gw.");
  }
  return mode === undefined ? { name } : { name, mode };
}

/** `junit=report.xml,json=report.json`; given twice, both count. */
export function parseReporters(text: string, earlier: ReporterTarget[] = []): ReporterTarget[] {
  const targets = text.split(",").map((part) => {
    const equals = part.indexOf("=");
    const name = equals < 0 ? part : part.slice(0, equals);
    const file = equals < 0 ? "" : part.slice(equals + 1);
    if (!isReporter(name)) {
      throw new InvalidArgumentError(
        `unknown reporter ${JSON.stringify(name)}; known: ${Object.keys(reporters).join(", ")}.`,
      );
    }
    if (file === "") throw new InvalidArgumentError(`reporter ${name} needs a file: ${name}=FILE.`);
    return { name, file };
  });
  return [...earlier, ...targets];
}

function isReporter(name: string): name is ReporterName {
  return Object.hasOwn(reporters, name);
}
