import { InvalidArgumentError, Option, type Command } from "commander";
import { LabError } from "../../core/errors.ts";
import { isIp } from "../../core/ip.ts";
import type { ExplainedDiff, Explanation } from "../../report/explain-types.ts";
import type { MatrixPort } from "../../run/explain-matrix.ts";
import { exitCodes, type ExitCode } from "../exit-codes.ts";
import { outputOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { writeData, type DataFormat } from "../write-data.ts";

type Expected = "allowed" | "blocked" | "same";

interface Options {
  all?: boolean;
  diff?: string;
  ports: MatrixPort[];
  address: string[];
  expect?: Expected;
  solved?: boolean;
  kubeconfig?: string;
  context?: string;
  output: DataFormat;
}

/** `cnilab explain`: what NetworkPolicies say of a flow, of every pair of pods, and of a change. */
export function declareExplain(program: Command, io: CliIo): void {
  const command = program
    .command("explain")
    .summary("say what NetworkPolicies make of a flow, and why")
    .description(
      "Judges a flow by the policies of a lab (as it runs now, else by its manifests) or of a folder of manifests, without a " +
        "cluster: which policies isolate each end, which rule allows it, and which rules miss it by one condition.",
    )
    .argument("<lab|dir>", "a lab, a folder or file of manifests, or the word cluster: that of the kubeconfig")
    .argument("[from]", "NAMESPACE/POD, NAMESPACE/deployment/NAME, NAMESPACE/KEY=VALUE, node/NAME or an IP address")
    .argument("[to:port/proto]", "the same, or a Service, and the port: shop/db:5432/tcp")
    .option("--all", "every pair of pods, as a matrix")
    .addOption(
      new Option("--diff <other>", "the pairs that change from OTHER: a folder, a file, a lab or a commit").conflicts(
        "all",
      ),
    )
    .addOption(
      new Option("--ports <port/proto,…>", "of --all and --diff").argParser(parsePorts).default([], "those named"),
    )
    .addOption(
      new Option("--address <ip>", "of --all and --diff: an address outside that is an end, too; repeatable")
        .argParser(parseAddress)
        .default([], "none"),
    )
    .addOption(
      new Option("--expect <verdict>", "exit with 1 where it is otherwise; same is for --diff").choices([
        "allowed",
        "blocked",
        "same",
      ]),
    )
    .option("--kubeconfig <file>", "of cluster: where it is, instead of what KUBECONFIG names")
    .option("--context <name>", "of cluster: the kubeconfig's context, instead of the current one")
    .option("--solved", "of a lab: its manifests with the tasks' reference solutions")
    .addOption(outputOption());
  withExamples(command, [
    ["cnilab explain default-deny shop/deployment/web shop/service/db:5432", "a lab"],
    ["cnilab explain ./k8s shop/web shop/db:5432/tcp --expect allowed", "in CI: exit 1 where it is blocked"],
    ["cnilab explain ./k8s 203.0.113.9 shop/app=web:8080", "from outside, to pods by label"],
    ["cnilab explain cluster shop/web shop/service/db:5432", "the kubeconfig's cluster as it is, read only"],
    ["cnilab explain ./k8s --all --ports 80/tcp,53/udp", "every pair of pods"],
    ["cnilab explain ./k8s --diff main", "what changes from a commit to the folder as it is"],
    ["cnilab explain ./k8s --diff ./k8s-old --expect same", "exit 1 where a pair changes"],
  ]).action(async (argument: string, from: string | undefined, to: string | undefined, options: Options) => {
    const isWhole = options.all === true || options.diff !== undefined;
    refuseMixture(argument, isWhole, from, to, options);
    const solved = options.solved === true;
    const source = { argument, solved, kubeconfig: options.kubeconfig, context: options.context };
    const request = { ...source, ports: options.ports, addresses: options.address };
    const context = io.runContext({ isQuiet: true });
    const style = { colour: io.hasColour, width: io.width };
    if (options.diff !== undefined) {
      const { explainDiff } = await import("../../run/explain-diff.ts");
      const diff = await explainDiff({ ...request, other: options.diff }, context);
      const { renderExplainedDiff } = await import("../../report/explain-matrix.ts");
      writeData(diff, options.output, io, () => renderExplainedDiff(diff, style));
      io.exitCode = exitCodeOfDiff(diff, options.expect);
    } else if (options.all === true) {
      const { explainAll } = await import("../../run/explain-matrix.ts");
      const matrix = await explainAll(request, context);
      const { renderExplainedMatrix } = await import("../../report/explain-matrix.ts");
      writeData(matrix, options.output, io, () => renderExplainedMatrix(matrix, style));
    } else {
      const { explainLab } = await import("../../run/explain-lab.ts");
      const explanation = await explainLab({ ...source, from: from ?? "", to: to ?? "" }, context);
      const { renderExplanation } = await import("../../report/explain.ts");
      writeData(explanation, options.output, io, () => renderExplanation(explanation, style));
      io.exitCode = exitCodeOfExplanation(explanation, options.expect);
    }
  });
}

function refuseMixture(
  argument: string,
  isWhole: boolean,
  from: string | undefined,
  to: string | undefined,
  { diff, expect, ports, address }: Options,
): void {
  const refuse = (message: string, hint: string): never => {
    throw new LabError("USAGE_BAD_FLOW", message, { hint });
  };
  if (isWhole && from !== undefined) refuse("--all and --diff are of every pair of pods", "leave out FROM and TO");
  if (!isWhole && to === undefined) refuse("which flow?", `cnilab explain ${argument} FROM TO:PORT/PROTO, or --all`);
  if (!isWhole && ports.length + address.length > 0)
    refuse("--ports and --address are of --all and --diff", "TO has the port");
  if (expect === undefined || (expect === "same" ? diff !== undefined : !isWhole)) return;
  refuse(`--expect ${expect} cannot be told here`, "allowed and blocked are of one flow, same is of --diff");
}

/** 0 for an answer, whatever it is; with an expectation 1 where it differs and 3 where the API leaves it open. */
export function exitCodeOfExplanation(
  { verdict }: Pick<Explanation, "verdict">,
  expected: Expected | undefined,
): ExitCode {
  if (expected === undefined || verdict === expected) return exitCodes.pass;
  return verdict === "open" ? exitCodes.inconclusive : exitCodes.expectationFailed;
}

/** 1 where no change was expected and there is one. */
export function exitCodeOfDiff(
  { opened, closed }: Pick<ExplainedDiff, "opened" | "closed">,
  expected: Expected | undefined,
): ExitCode {
  return expected === "same" && opened + closed > 0 ? exitCodes.expectationFailed : exitCodes.pass;
}

/** `80/tcp,53/udp`; given twice, both count. */
export function parsePorts(text: string, earlier: MatrixPort[] = []): MatrixPort[] {
  const ports = text.split(",").map((part) => {
    const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(part);
    const port = Number(match?.[1]);
    if (match === null || port < 1 || port > 65_535) {
      throw new InvalidArgumentError("write PORT/tcp, PORT/udp or PORT/sctp, such as 80/tcp,53/udp.");
    }
    return { port, protocol: (match[2] ?? "tcp").toUpperCase() as MatrixPort["protocol"] };
  });
  return [...earlier, ...ports];
}

function parseAddress(text: string, earlier: string[]): string[] {
  if (!isIp(text)) throw new InvalidArgumentError("write an IP address.");
  return [...earlier, text];
}
