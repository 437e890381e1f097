import type { Command } from "commander";
import { optionsText } from "../../core/cni-text.ts";
import type { Plan } from "../../plan/types.ts";
import { labArgument, outputOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { overridesOf, withOverrides, type OverrideOptions } from "../lab-options.ts";
import { drawTable, writeData, type DataFormat } from "../write-data.ts";

interface Options extends OverrideOptions {
  output: DataFormat;
}

/** `cnilab plan`: what `up` would make. */
export function declarePlan(program: Command, io: CliIo): void {
  const command = program
    .command("plan")
    .summary("show what a lab would become")
    .description("Shows nodes, networks, CNI, steps and probes of a lab, without making anything.")
    .argument("<lab>", labArgument)
    .addOption(outputOption());
  withExamples(withOverrides(command), [
    ["cnilab plan first-lab", "nodes, addresses, probes"],
    ["cnilab plan first-lab -o yaml", "everything that a provider is given"],
  ]).action(async (lab: string, options: Options) => {
    const { readPlan } = await import("../../run/read-lab.ts");
    const { plan, warnings } = await readPlan(lab, overridesOf(options));
    const context = io.runContext();
    for (const warning of warnings) context.emit({ type: "warning", warning });
    writeData(plan, options.output, io, () => describe(plan));
  });
}

function describe(plan: Plan): string {
  const { cni, cluster, topology } = plan;
  const nodes = topology.nodes.map((node) => [
    node.name,
    node.role,
    node.interfaces
      .map(({ name, addresses, prefixLengths }) =>
        [name, addresses.map((address, index) => `${address}/${prefixLengths[index]}`).join(",")].join(" "),
      )
      .join("  "),
    String(Math.min(...node.interfaces.map(({ mtu }) => mtu))),
  ]);
  const probes = plan.probes.map((probe) => [
    probe.name,
    probe.kind,
    typeof probe.expect === "string" ? probe.expect : JSON.stringify(probe.expect),
    probe.points === undefined ? "-" : String(probe.points),
  ]);
  return [
    `${plan.lab.title} (${plan.lab.name}) on ${plan.provider}\n`,
    `cni ${cni.name} ${cni.mode}${optionsText(cni.options)}, pods ${cni.podCidrs.join(", ")}, MTU ${cni.mtu}, ${cni.enforcesPolicy ? "enforces" : "does not enforce"} policies\n`,
    `services ${cluster.serviceCidrs.join(", ")}, DNS ${cluster.dnsAddress} for ${cluster.dnsDomain}\n`,
    `steps: ${plan.scenario.map(({ kind }) => kind).join(", ")}\n\n`,
    drawTable(["node", "role", "interfaces", "mtu"], nodes),
    "\n",
    drawTable(["probe", "kind", "expect", "points"], probes),
  ].join("");
}
