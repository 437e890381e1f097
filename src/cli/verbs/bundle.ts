import { InvalidArgumentError, Option, type Command } from "commander";
import type { OverrideOptions } from "../lab-options.ts";
import { cniOption, parseCni } from "../lab-options.ts";
import { labArgument, outputOption, quietOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { drawTable, writeData, type DataFormat } from "../write-data.ts";

interface CommonOptions {
  output: DataFormat;
  quiet?: boolean;
}

interface CreateOptions extends CommonOptions {
  to: string;
  provider: string;
  from?: "docker";
  cni: NonNullable<OverrideOptions["cni"]>[];
  cniOption: OverrideOptions["cniOption"];
}

const bundleArgument = "folder or .tar that bundle create made";

/** `cnilab bundle`: everything that labs need from outside, in one folder or archive. */
export function declareBundle(program: Command, io: CliIo): void {
  const bundle = program
    .command("bundle")
    .summary("gather all that labs need, for hosts without the internet")
    .description(
      "Gathers node image, CNI, images, kind, kubectl and the labs themselves by digest, and loads them elsewhere.",
    );
  withExamples(bundle, [
    ["cnilab bundle create first-lab --to labs.tar", "on a host with the internet"],
    ["cnilab run first-lab --provider kind --bundle labs.tar", "on one without"],
  ]);
  declareCreate(bundle, io);
  declareLoad(bundle, io);
  declareList(bundle, io);
  declareVerify(bundle, io);
}

function declareCreate(bundle: Command, io: CliIo): void {
  const create = bundle
    .command("create")
    .summary("make a bundle, go on with one, or add labs to one")
    .description(
      "Makes a bundle. What an earlier or interrupted create left at PATH is checked by digest and kept, so that only what is missing is fetched.",
    )
    .argument("<lab...>", labArgument)
    .option("--to <path>", "a folder, or an archive where it ends in .tar", "cnilab-bundle.tar")
    .option("--provider <name>", "what the labs are to run on", "kind")
    .addOption(
      new Option("--cni <name[:mode],…>", "CNIs and modes to gather, instead of each lab's own")
        .argParser(parseCnis)
        .default([], "each lab's own"),
    )
    .addOption(cniOption())
    .addOption(
      new Option(
        "--from <source>",
        "take the images that the local Docker engine has; without it they are pulled",
      ).choices(["docker"]),
    )
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(create, [
    ["cnilab bundle create first-lab default-deny --to labs.tar", "two labs, each on its own CNI"],
    ["cnilab bundle create first-lab --cni calico,flannel --to labs", "a folder, for both CNIs"],
    ["cnilab bundle create first-lab --from docker", "with the images that are here already"],
  ]).action(
    async (labs: string[], { to, provider, cni, cniOption: cniOptions, from, output, quiet }: CreateOptions) => {
      const { bundleLabs } = await import("../../run/bundle-create.ts");
      const made = await bundleLabs(
        { labs, path: to, provider, cnis: cni, cniOptions, from },
        io.runContext({ isQuiet: quiet }),
      );
      writeData(made, output, io, () =>
        [
          `${made.path}: ${made.labs.join(", ")}\n`,
          `${counted(made.images, "image")}, ${counted(made.files, "file")} and ${counted(made.executables, "executable")} in ${counted(made.blobs, "blob")}, ${megabytes(made.bytes)}`,
          ` (${megabytes(made.addedBytes)} of it new)\n`,
          ...made.leftOut.map(
            (image) => `without ${image}, which this Docker does not have and users other than root need\n`,
          ),
        ].join(""),
      );
    },
  );
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function declareLoad(bundle: Command, io: CliIo): void {
  const load = bundle
    .command("load")
    .summary("put a bundle's images into Docker and its files into the cache")
    .description("Verifies a bundle, then loads what is missing here: labs run without the internet from then on.")
    .argument("<path>", bundleArgument)
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(load, [["cnilab bundle load labs.tar", "once a host"]]).action(
    async (path: string, { output, quiet }: CommonOptions) => {
      const { loadBundle } = await import("../../run/bundle-load.ts");
      const result = await loadBundle(path, io.runContext({ isQuiet: quiet }));
      writeData(result, output, io, () => {
        const rows = [
          ...result.loaded.map((reference) => [reference, "loaded"]),
          ...result.present.map((reference) => [reference, "was there"]),
          ...[...result.files, ...result.executables].map((name) => [name, "in the cache"]),
        ];
        return drawTable(["what", "now"], rows);
      });
    },
  );
}

function declareList(bundle: Command, io: CliIo): void {
  const list = bundle
    .command("list")
    .summary("what is in a bundle")
    .description("Shows what is in a bundle, from its index; nothing is verified.")
    .argument("<path>", bundleArgument)
    .addOption(outputOption());
  withExamples(list, [["cnilab bundle list labs.tar -o json", "with every digest"]]).action(
    async (path: string, { output }: CommonOptions) => {
      const { listBundle } = await import("../../run/bundle-load.ts");
      const contents = await listBundle(path);
      writeData(contents, output, io, () => {
        const rows = [
          ...contents.labs.map(({ name, provider, cni }) => ["lab", `${name} (${provider}, ${cni})`]),
          ...contents.images.map(({ reference }) => ["image", reference]),
          ...contents.files.map(({ name }) => ["file", name]),
          ...contents.executables.map(({ name, version, platform }) => [
            "executable",
            `${name} ${version} ${platform}`,
          ]),
        ];
        const made = `made by ${contents.createdBy} at ${contents.createdAt}`;
        return `${drawTable(["kind", "what"], rows)}${contents.blobs} blobs, ${megabytes(contents.bytes)}, ${made}\n`;
      });
    },
  );
}

function declareVerify(bundle: Command, io: CliIo): void {
  const verify = bundle
    .command("verify")
    .summary("check every blob of a bundle")
    .description("Reads every blob of a bundle and names those that are damaged or missing.")
    .argument("<path>", bundleArgument)
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(verify, [["cnilab bundle verify labs.tar", "after a copy"]]).action(
    async (path: string, { output, quiet }: CommonOptions) => {
      const { checkBundle } = await import("../../run/bundle-load.ts");
      const { blobs, bytes } = await checkBundle(path, io.runContext({ isQuiet: quiet }));
      writeData(
        { path, blobs, bytes },
        output,
        io,
        () => `${path}: all ${blobs} blobs are right, ${megabytes(bytes)}\n`,
      );
    },
  );
}

function parseCnis(
  text: string,
  earlier: NonNullable<OverrideOptions["cni"]>[],
): NonNullable<OverrideOptions["cni"]>[] {
  const names = text.split(",");
  if (names.includes(""))
    throw new InvalidArgumentError("write NAME[:MODE],NAME[:MODE], such as calico,flannel:host-gw.");
  return [...earlier, ...names.map(parseCni)];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
