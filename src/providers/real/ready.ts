import { setTimeout as pause } from "node:timers/promises";
import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import { LabError } from "../../core/errors.ts";
import { sharedSignal } from "../../core/shared-signal.ts";
import { isPodReady, podAddresses } from "../../kube/pods.ts";
import type { KubeObject, Pod } from "../../kube/types.ts";
import type { Plan } from "../../plan/types.ts";
import { isAgentPod, type AgentPlace } from "./agent-trouble.ts";
import type { KubernetesApi } from "./api/kubernetes-api.ts";
import { podGap, refuseHopeless } from "./api/wait-reasons.ts";
import type { RealNode } from "./cluster.ts";
import { Sentinel } from "./sentinel.ts";
import { OWN_CLUSTER, ROLE_LABEL, SENTINEL_PORT, systemObjects, type SystemPlace } from "./sentinel-objects.ts";
import { askNames, hostnameUrl, together } from "./sentinel-pulse.ts";
import type { Agents } from "./types.ts";

export interface ReadinessOptions {
  api: KubernetesApi;
  agents: Agents;
  plan: Plan;
  nodes: readonly RealNode[];
  signal: AbortSignal;
  progress: (message: string) => void;
  /** Of each layer alone; default 3 minutes. */
  timeoutMs?: number;
  /** The DaemonSet whose pod on each node is the CNI's agent, "unknown" where nobody knows it; by default the plan's CNI says. */
  agent?: AgentPlace | "unknown";
  system?: SystemPlace;
}

const READY_TIMEOUT_MS = 180_000;
const TRY_MS = 300;

/**
 * Resolves when the cluster carries what labs need: the CNI's agent on every node, a pod on every node that every other
 * node's pod reaches, Services and cluster DNS in effect on every node. Rejects with CLUSTER_NOT_READY, which names the
 * layer that is not; a time-out is never a pass.
 */
export async function untilReady(options: ReadinessOptions): Promise<void> {
  const { api, plan, nodes, progress, system = OWN_CLUSTER } = options;
  await api.apply(systemObjects(system));
  const agent = options.agent ?? agentOf(plan);
  const names = nodes.map(({ name }) => name);
  if (agent !== "unknown") {
    await everyNode(options, `the agent of ${plan.cni.name}`, names, { namespace: agent.namespace }, (pod) =>
      isAgentPod(pod, agent),
    );
    progress(`${plan.cni.name} runs on ${names.length} nodes`);
  }
  const has =
    (role: string) =>
    (pod: Pod): boolean =>
      pod.metadata.labels?.[ROLE_LABEL] === role;
  const own = { namespace: system.namespace };
  const [sentinels, callers] = await Promise.all([
    everyNode(options, "our pod", names, own, has("sentinel")),
    everyNode(options, "our pod", names, own, has("caller")),
  ]);
  progress("a pod runs on every node");
  requireFamilies(plan, [...sentinels, ...callers]);
  await untilReached(options, callers, sentinels);
  progress("pods of all nodes reach each other");
  await untilInEffect(options);
  progress("Services and cluster DNS answer on every node");
}

function agentOf({ cni: { name } }: Plan): AgentPlace {
  const cni = (cnis as Record<string, Cni>)[name];
  if (cni === undefined) throw new LabError("PLAN_UNKNOWN_CNI", `unknown CNI ${JSON.stringify(name)}`);
  return cni.install.agent;
}

function notReady(message: string, hint?: string): LabError {
  return new LabError("CLUSTER_NOT_READY", message, hint === undefined ? {} : { hint });
}

/** The ready pod of each node among those picked. */
async function everyNode(
  { api, signal, timeoutMs = READY_TIMEOUT_MS }: ReadinessOptions,
  what: string,
  nodes: readonly string[],
  query: { namespace: string },
  isOne: (pod: Pod) => boolean,
): Promise<Pod[]> {
  const pods = (objects: readonly KubeObject[]): Pod[] =>
    (objects as Pod[]).filter((pod) => pod.kind === "Pod" && isOne(pod));
  const objects = await api.until(
    [{ kind: "Pod", ...query }, { kind: "Node" }],
    (all) => {
      const gaps = nodes.flatMap((node) => {
        const here = pods(all).filter(
          ({ spec, metadata }) => spec.nodeName === node && metadata.deletionTimestamp === undefined,
        );
        for (const pod of here) refuseHopeless(pod);
        if (here.some(isPodReady)) return [];
        const [pod] = here;
        return [
          `${what} on node ${node} is not ready: ${pod === undefined ? nodeGap(all, node) : `pod ${pod.metadata.name}: ${podGap(pod)}`}`,
        ];
      });
      return gaps.length === 0 ? undefined : gaps.join("; ");
    },
    {
      timeoutMs,
      signal,
      timeout: (gap) =>
        notReady(`after ${timeoutMs / 1000} s ${gap}`, `kubectl describe pods --namespace ${query.namespace}`),
    },
  );
  return pods(objects).filter(isPodReady);
}

/** Why a node has no pod. */
function nodeGap(objects: readonly KubeObject[], name: string): string {
  const node = objects.find((object) => object.kind === "Node" && object.metadata.name === name);
  if (node === undefined) return "the node has not joined the cluster";
  const { conditions = [] } = (node["status"] ?? {}) as {
    conditions?: { type: string; status: string; message?: string }[];
  };
  const ready = conditions.find(({ type }) => type === "Ready");
  return ready?.status === "True"
    ? "it has no pod there yet"
    : `the node is not ready: ${ready?.message ?? "it has not said anything"}`;
}

/** What runs in one family answers in that one, and would be called ready. */
function requireFamilies({ cni }: Plan, pods: readonly Pod[]): void {
  if (!cni.podCidrs.some((cidr) => cidr.includes(":"))) return;
  const lacking = pods.find((pod) => !podAddresses(pod).some((address) => address.includes(":")));
  if (lacking === undefined) return;
  throw notReady(
    `pod ${lacking.metadata.name} on node ${lacking.spec.nodeName} has no IPv6 address from ${cni.name}`,
    "the CNI's configuration on this node, and what its agent says",
  );
}

/** Each node's pod asks all others for their names until each was told; the network itself gives no sign when it is complete. */
async function untilReached(
  { agents, signal, timeoutMs = READY_TIMEOUT_MS }: ReadinessOptions,
  callers: readonly Pod[],
  sentinels: readonly Pod[],
): Promise<void> {
  const startedAt = performance.now();
  const targets = sentinels.flatMap((pod) => podAddresses(pod).map((address) => ({ pod, address })));
  const urls = targets.map(({ address }) => hostnameUrl(address, SENTINEL_PORT));
  const reachAll = async (caller: Pod): Promise<void> => {
    for (;;) {
      signal.throwIfAborted();
      const tryStartedAt = performance.now();
      const names = await askNames(agents, caller, urls, signal);
      const unreached = targets.filter(({ pod }, index) => names[index] !== pod.metadata.name);
      if (unreached.length === 0) return;
      if (performance.now() - startedAt > timeoutMs) {
        const nodes = unreached.map(({ pod, address }) => `${pod.spec.nodeName} (${address})`).join(", ");
        throw notReady(
          `after ${timeoutMs / 1000} s the pod on node ${caller.spec.nodeName} does not reach the pods on node ${nodes}`,
          "the CNI's tunnel or routes between these nodes",
        );
      }
      // What is refused at once is not tried again at once.
      const rest = TRY_MS - (performance.now() - tryStartedAt);
      if (rest > 0) await pause(rest, undefined, { signal });
    }
  };
  await Promise.all(callers.map(reachAll));
}

/** The first pulse: policy agents, kube-proxy and cluster DNS take in a change on every node. */
async function untilInEffect(options: ReadinessOptions): Promise<void> {
  const { api, agents, plan, signal, system = OWN_CLUSTER, timeoutMs = READY_TIMEOUT_MS } = options;
  const dns = { kind: "Pod", namespace: "kube-system", labelSelector: "k8s-app=kube-dns" };
  await api.until(
    [dns],
    (pods) =>
      pods.some((pod) => isPodReady(pod as Pod))
        ? undefined
        : pods.map((pod) => `${pod.metadata.name}: ${podGap(pod as Pod)}`).join("; "),
    {
      timeoutMs,
      signal,
      timeout: (gap) => notReady(`after ${timeoutMs / 1000} s cluster DNS has no ready pod: ${gap}`),
    },
  );
  const late = AbortSignal.timeout(timeoutMs);
  const sentinel = new Sentinel({
    api,
    agents,
    enforcesPolicy: plan.cni.enforcesPolicy,
    dnsDomain: plan.cluster.dnsDomain,
    isOut: () => false,
    system,
  });
  const pulses = [await sentinel.pulsePolicies(), await sentinel.isolation(), await sentinel.pulseServices()];
  const pulse = together(pulses.filter((one) => one !== undefined));
  try {
    await pulse.effect(sharedSignal(AbortSignal.any([late, signal])));
  } catch (error) {
    signal.throwIfAborted();
    if (!late.aborted || error instanceof LabError) throw error;
    throw notReady(`after ${timeoutMs / 1000} s a change is not in effect at ${pulse.missing().join(", ")}`);
  }
}
