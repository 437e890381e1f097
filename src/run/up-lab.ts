import { bringUp } from "./bring-up.ts";
import type { RunContext } from "./context.ts";
import { PhaseRunner, withUndo, type PhaseTime } from "./phases.ts";
import { keep } from "./provision.ts";
import type { LabRequest } from "./read-lab.ts";

/** A lab that is up. */
export interface UpOutcome {
  name: string;
  title: string;
  provider: string;
  cni: string;
  nodes: string[];
  /** What the learner is to do. */
  tasks: string[];
  phases: PhaseTime[];
}

/**
 * Makes a lab and leaves it running. When it fails or is interrupted, nothing is left. Throws LAB_ALREADY_UP, LAB_BUSY,
 * everything that is wrong with the lab, and what the provider and the scenario throw.
 */
export async function upLab(request: LabRequest, context: RunContext): Promise<UpOutcome> {
  const phases = new PhaseRunner(context);
  return withUndo(context, async (undo) => {
    const lab = await bringUp(request, { needsBaseline: true }, phases, undo);
    await keep(lab, context);
    const { plan } = lab;
    return {
      name: plan.lab.name,
      title: plan.lab.title,
      provider: plan.provider,
      cni: `${plan.cni.name}:${plan.cni.mode}`,
      nodes: plan.topology.nodes.map(({ name }) => name),
      tasks: plan.tasks.map(({ text }) => text),
      phases: phases.times,
    };
  });
}
