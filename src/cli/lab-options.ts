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
  cniOption: NonNullable<LabOverrides["cniOptions"]>;
  kubeconfig?: string;
  context?: string;
  inventory?: string;
}

/** `--provider`, `--cni`, `--cni-option`, and which cluster, for verbs that plan a lab. */
export function withOverrides(command: Command): Command {
  return command
    .addOption(new Option("--provider <name>", "what the nodes are made of, instead of what the lab says"))
    .addOption(
      new Option("--cni <name[:mode]>", "another CNI that the lab claims, such as flannel:host-gw").argParser(parseCni),
    )
    .addOption(cniOption())
    .option("--kubeconfig <file>", "with --provider existing: where its cluster is, instead of what KUBECONFIG names")
    .option("--context <name>", "with --provider existing: the kubeconfig's context, instead of the current one")
    .addOption(inventoryOption());
}

/** `--inventory`, for verbs that may work on machines. */
export function inventoryOption(): Option {
  return new Option(
    "--inventory <file>",
    "with --provider ssh: its machines, instead of those that the topology names",
  );
}

/** `--cni-option`, beside `--cni`. */
export function cniOption(): Option {
  return new Option("--cni-option <key=value>", "an option of that CNI, such as encrypted=true; repeatable")
    .argParser(parseCniOption)
    .default({}, "none");
}

/** What a request says instead of the lab file, from the options of {@link withOverrides}. */
export function overridesOf({
  provider,
  cni,
  cniOption,
  kubeconfig,
  context,
  inventory,
}: OverrideOptions): LabOverrides {
  return { provider, cni, cniOptions: cniOption, kubeconfig, context, inventory };
}

/** `--bundle`, for verbs that make a lab. */
export function withBundle(command: Command): Command {
  return command.option(
    "--bundle <path>",
    "take everything from a bundle (cnilab bundle create), nothing from the internet",
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

/** `encrypted=true`; given again, each counts. Values are read later, beside what the CNI takes. */
export function parseCniOption(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("write KEY=VALUE, such as encrypted=true.");
  const key = text.slice(0, equals);
  if (Object.hasOwn(earlier, key)) throw new InvalidArgumentError(`${key} is given twice.`);
  return { ...earlier, [key]: text.slice(equals + 1) };
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
