import type { LabWarning } from "../core/errors.ts";
import type { GradeReport } from "../grade/types.ts";
import type { Plan } from "../plan/types.ts";
import type { Report } from "../report/types.ts";
import type { PhaseRunner } from "./phases.ts";
import { providerNamed } from "./provision.ts";

/** Everything a reporter needs of a run that has come to its grade. */
export function makeReport(
  plan: Plan,
  grade: GradeReport,
  { mode, warnings }: { mode: Report["mode"]; warnings: LabWarning[] },
  phases: PhaseRunner,
): Report {
  const { lab, cni, topology } = plan;
  return {
    lab: {
      name: lab.name,
      title: lab.title,
      file: lab.file,
      ...(lab.level === undefined ? {} : { level: lab.level }),
    },
    provider: plan.provider,
    cni: {
      name: cni.name,
      mode: cni.mode,
      enforcesPolicy: cni.enforcesPolicy,
      ...(Object.keys(cni.options).length === 0 ? {} : { options: cni.options }),
    },
    nodes: topology.nodes.length,
    mode,
    notes: modelledHere(plan),
    warnings,
    grade,
    phases: [...phases.times],
    startedAt: phases.startedAt,
    durationMs: phases.elapsedMs(),
  };
}

function modelledHere({ provider, cni }: Plan): string[] {
  const { models } = providerNamed(provider);
  return models === undefined ? [] : [`the data plane of ${cni.name} is modelled here (${provider}): ${models}`];
}
