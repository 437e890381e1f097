import { randomBytes } from "node:crypto";
import { LabError, LabProblems } from "../../core/errors.ts";
import { usesPolicy } from "../../lab/policy-use.ts";
import type { Plan } from "../../plan/types.ts";
import { agentImage } from "../real/agents/container-agents.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { untilReady } from "../real/ready.ts";
import { systemObjects } from "../real/sentinel-objects.ts";
import { Sentinel } from "../real/sentinel.ts";
import type { Agents } from "../real/types.ts";
import type { KubeObject, Pod } from "../../kube/types.ts";
import type { UpContext, UpResult } from "../types.ts";
import { agentDaemonSet, untilAgentsRun } from "./agents.ts";
import { connect, openAgents, realNames, systemPlace } from "./connect.ts";
import { callerPod, enforcesPolicy, planAsFound, podFacts, serviceCidrs } from "./facts.ts";
import { chooseCluster, openChosen, type ClusterChoice } from "./kubeconfig.ts";
import { agentsNamespace, systemNamespace } from "./names.ts";
import { createNamespace, removeNamespaces } from "./namespaces.ts";
import type { StandIn } from "./nodes.ts";
import { removeExistingState, writeExistingState, type ExistingState } from "./state.ts";
import { survey, type Survey } from "./survey.ts";

/** What attach needs later. */
export interface ExistingHandle extends ClusterChoice {
  plan: Plan;
  nodes: [string, StandIn][];
}

interface Making {
  api: KubernetesApi;
  plan: Plan;
  context: UpContext;
  state: ExistingState;
  found: Survey;
  progress: (message: string) => void;
}

/** Puts agents and our own pods beside what is in the cluster. On rejection or abort, all of it is removed. */
export async function up(plan: Plan, context: UpContext): Promise<UpResult> {
  const { stateDirectory, emit } = context;
  const choice = chooseCluster(plan.access, process.env);
  const api = await openChosen(choice);
  const found = await survey(api, plan);
  if (found.problems.length > 0) throw new LabProblems(found.problems);
  for (const warning of found.warnings) emit({ type: "warning", warning });
  const progress = (message: string): void => emit({ type: "progress", phase: "provision", message });
  for (const { planned, name } of found.nodes.values()) progress(`node ${name} stands for ${planned.name}`);
  const owner = randomBytes(8).toString("hex");
  const state: ExistingState = { ...choice, lab: plan.lab.name, owner, stage: "making" };
  await writeExistingState(stateDirectory, state);
  try {
    return await make({ api, plan, context, state, found, progress });
  } catch (error) {
    try {
      await removeNamespaces(api, state);
      removeExistingState(stateDirectory);
    } catch (failure) {
      // It must not hide why the lab failed; the file stays, so that `down` finds what is left.
      const message = `what was made of the lab could not be removed yet: ${(failure as Error).message}`;
      const hint = `cnilab down ${plan.lab.name} removes it`;
      emit({ type: "warning", warning: { code: "UNDO_FAILED", message, hint } });
    }
    api.close();
    throw error;
  }
}

async function make({ api, plan, context, state, found, progress }: Making): Promise<UpResult> {
  const { stateDirectory, signal } = context;
  const { nodes, cni } = found;
  const { lab } = state;
  const system = systemPlace(state, nodes);
  const agentsPlace = agentsNamespace(lab);
  const image = agentImage(process.env);
  const names = realNames(nodes);
  signal.throwIfAborted();
  await createNamespace(api, state, namespaceObject(system.namespace, system.labels));
  await createNamespace(
    api,
    state,
    namespaceObject(agentsPlace, { "pod-security.kubernetes.io/enforce": "privileged" }),
  );
  signal.throwIfAborted();
  await untilServiceAccounts(api, [system.namespace, agentsPlace], signal);
  // The one's images are pulled and pods started beside the other's.
  await api.apply([...systemObjects(system), agentDaemonSet(agentsPlace, image, names)], { signal });
  await untilAgentsRun(api, { namespace: agentsPlace, image, nodes: names }, signal);
  progress(`agents run on ${names.length} nodes`);
  const agents = await openAgents(api, { choice: state, owner: state, nodes });
  try {
    const pod = await callerPod(api, system.namespace, signal);
    const facts = {
      nodes,
      cni,
      pod: await podFacts(agents, pod),
      serviceCidrs: await serviceCidrs(api, agentsPlace),
    };
    // With an unknown CNI the first look takes its policies to be without effect.
    const before = planAsFound(plan, { ...facts, enforcesPolicy: cni?.cni.enforcesPolicy ?? false });
    const realNodes = [...nodes.values()].map(({ name, addresses }) => ({ name, addresses }));
    const agent = cni?.agent ?? "unknown";
    await untilReady({ api, agents, plan: before, nodes: realNodes, signal, progress, agent, system });
    const made =
      cni === undefined
        ? {
            ...before,
            cni: { ...before.cni, enforcesPolicy: await tryPolicy(api, agents, before, found, state, signal) },
          }
        : before;
    if (!made.cni.enforcesPolicy && plan.cni.enforcesPolicy && usesPolicy(plan)) {
      throw new LabError(
        "PLAN_CNI_NO_POLICY",
        `lab ${lab} needs NetworkPolicy, which the cluster's CNI does not enforce`,
      );
    }
    const cluster = await connect({ api, agents, plan: made, owner: state, nodes });
    const { kubeconfigs, context: name } = state;
    const handle: ExistingHandle = { kubeconfigs, context: name, plan: made, nodes: [...nodes] };
    return {
      cluster,
      handle,
      plan: made,
      detach: () => writeExistingState(stateDirectory, { ...state, stage: "up" }),
    };
  } catch (error) {
    await agents.close();
    throw error;
  }
}

function namespaceObject(name: string, labels: Record<string, string>): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

/** Admission refuses pods of a namespace that has no service account yet. */
async function untilServiceAccounts(
  api: KubernetesApi,
  namespaces: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const timeoutMs = 30_000;
  await api.until(
    namespaces.map((namespace) => ({ kind: "ServiceAccount", namespace, name: "default" })),
    (objects) => (objects.length === namespaces.length ? undefined : "a namespace has no service account"),
    { timeoutMs, signal, timeout: (gap) => new LabError("WAIT_TIMEOUT", `${gap} within ${timeoutMs / 1000} s`) },
  );
}

/** Whether a CNI that nobody knows enforces policies, by one of ours. */
async function tryPolicy(
  api: KubernetesApi,
  agents: Agents,
  plan: Plan,
  { nodes }: Survey,
  state: ExistingState,
  signal: AbortSignal,
): Promise<boolean> {
  const system = systemPlace(state, nodes);
  const { dnsDomain } = plan.cluster;
  const sentinel = new Sentinel({ api, agents, enforcesPolicy: true, dnsDomain, isOut: () => false, system });
  await sentinel.pulsePolicies();
  const pods = (await api.list({ kind: "Pod", namespace: systemNamespace(state.lab) })) as Pod[];
  return enforcesPolicy(agents, pods, signal);
}
