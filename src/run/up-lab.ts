import { cniText } from "../core/cni-text.ts";
import type { TimeLimit } from "../grade/types.ts";
import { bringUp } from "./bring-up.ts";
import type { RunContext } from "./context.ts";
import { PhaseRunner, withUndo, type PhaseTime } from "./phases.ts";
import { keep } from "./provision.ts";
import type { LabRequest } from "./read-lab.ts";

export interface UpRequest extends LabRequest {
  /** Of a lab that fails, leave what the provider can leave. */
  keepFailed?: boolean;
  /** On machines: take away a cluster that is there, or what a dead lab left. */
  force?: boolean;
}

/** A lab that is up. */
export interface UpOutcome {
  name: string;
  title: string;
  provider: string;
  cni: string;
  nodes: string[];
  /** Whether commands can be run on the nodes. */
  hasNodeShells: boolean;
  /** What the learner is to do; `hints`: how many there are. */
  tasks: { name: string; text: string; isBonus?: true; hints: number }[];
  /** Counted from now. */
  timeLimit?: TimeLimit;
  phases: PhaseTime[];
}

/**
 * Makes a lab and leaves it running. When it fails or is interrupted, nothing is left that `keepFailed` does not ask for. Throws LAB_ALREADY_UP, LAB_BUSY,
 * everything that is wrong with the lab, and what the provider and the scenario throw.
 */
export async function upLab(request: UpRequest, context: RunContext): Promise<UpOutcome> {
  const phases = new PhaseRunner(context);
  return withUndo(context, async (undo) => {
    const { keepFailed = false, force = false } = request;
    const lab = await bringUp(request, { needsBaseline: true, keepFailed, force }, phases, undo);
    await keep(lab, context);
    const { plan } = lab;
    return {
      name: plan.lab.name,
      title: plan.lab.title,
      provider: plan.provider,
      cni: cniText(plan.cni.name, plan.cni.mode, plan.cni.options),
      nodes: plan.topology.nodes.map(({ name }) => name),
      hasNodeShells: lab.provider.capabilities().features.includes("node-exec"),
      tasks: plan.tasks.map(({ name, text, isBonus, hints = [] }) => ({
        name,
        text,
        ...(isBonus === true ? { isBonus } : {}),
        hints: hints.length,
      })),
      ...(plan.timeLimit === undefined ? {} : { timeLimit: plan.timeLimit }),
      phases: phases.times,
    };
  });
}
