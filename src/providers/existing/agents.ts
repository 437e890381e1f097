import { LabError } from "../../core/errors.ts";
import { isPodReady } from "../../kube/pods.ts";
import type { KubeObject, Pod } from "../../kube/types.ts";
import { AGENT_CONTAINER } from "../real/agents/pod-agents.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { podGap } from "../real/api/wait-reasons.ts";
import { onNodes } from "../real/sentinel-objects.ts";

const READY_TIMEOUT_MS = 180_000;
const NAME = "agent";

/** Waiting reasons that no time mends. */
const NO_IMAGE = new Set(["ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"]);

/** Ends at once: it is nobody's init, and nobody waits for what it does. */
const IDLE = ["python3", "-I", "-S", "-c", "import signal; signal.pause()"];

/**
 * A privileged pod on each of the nodes, in the node's process namespace, where agents are started by exec. It uses the node's
 * network, so that no CNI and no policy stands between it and anything.
 */
export function agentDaemonSet(namespace: string, image: string, nodes: readonly string[]): KubeObject {
  const labels = { "app.kubernetes.io/name": "cnilab-agent" };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: NAME, namespace, labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          affinity: onNodes(nodes),
          tolerations: [{ operator: "Exists" }],
          hostPID: true,
          hostNetwork: true,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: AGENT_CONTAINER,
              image,
              imagePullPolicy: "IfNotPresent",
              command: IDLE,
              securityContext: { privileged: true },
            },
          ],
        },
      },
    },
  };
}

/**
 * Resolves when the pod is ready on every node. Rejects with AGENT_FORBIDDEN in the words of what refuses the pod,
 * AGENT_IMAGE_MISSING in the kubelet's, CLUSTER_NOT_READY.
 */
export async function untilAgentsRun(
  api: KubernetesApi,
  { namespace, image, nodes }: { namespace: string; image: string; nodes: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  await api.until(
    [
      { kind: "Pod", namespace },
      { kind: "Event", apiVersion: "v1", namespace, fieldSelector: "type=Warning" },
    ],
    (objects) => {
      const events = objects.filter(({ kind }) => kind === "Event").map(eventOf);
      const refused = events.find(({ reason, about }) => reason === "FailedCreate" && about === `DaemonSet/${NAME}`);
      if (refused !== undefined) {
        throw new LabError("AGENT_FORBIDDEN", `the cluster refuses the agents' pods: ${refused.message}`, {
          hint: "probes start in pods' own network namespaces, which needs a privileged pod on each node of the lab",
        });
      }
      const gaps = nodes.flatMap((node) => {
        const pod = objects.find((each): each is Pod => each.kind === "Pod" && isOn(each as Pod, node));
        if (pod === undefined) return [`node ${node} has no agent yet`];
        refuseWithoutImage(pod, image, events);
        return isPodReady(pod) ? [] : [`the agent of node ${node}: ${podGap(pod)}`];
      });
      return gaps.length === 0 ? undefined : gaps.join("; ");
    },
    {
      timeoutMs: READY_TIMEOUT_MS,
      signal,
      timeout: (gap) => new LabError("CLUSTER_NOT_READY", `after ${READY_TIMEOUT_MS / 1000} s ${gap}`),
    },
  );
}

function isOn({ spec, metadata }: Pod, node: string): boolean {
  return spec.nodeName === node && metadata.deletionTimestamp === undefined;
}

interface Told {
  reason: string;
  message: string;
  /** Kind and name. */
  about: string;
}

function eventOf(event: KubeObject): Told {
  const {
    reason = "",
    message = "",
    involvedObject,
  } = event as KubeObject & {
    reason?: string;
    message?: string;
    involvedObject?: { kind?: string; name?: string };
  };
  return { reason, message, about: `${involvedObject?.kind}/${involvedObject?.name}` };
}

/** The kubelet's event names the cause, where the pod's own status may only say that it backs off. */
function refuseWithoutImage({ metadata, status, spec }: Pod, image: string, events: readonly Told[]): void {
  for (const { state } of status?.containerStatuses ?? []) {
    const { reason = "", message = "" } = (state as { waiting?: { reason?: string; message?: string } }).waiting ?? {};
    if (!NO_IMAGE.has(reason)) continue;
    const told = events.find(
      (event) => event.about === `Pod/${metadata.name}` && event.reason === "Failed" && event.message.includes(image),
    );
    throw new LabError(
      "AGENT_IMAGE_MISSING",
      `node ${spec.nodeName} cannot get the image ${image} for agents: ${told?.message ?? (message || reason)}`,
      { hint: "CNILAB_AGENT_IMAGE names an image that the cluster can pull (docs/providers/existing.md)" },
    );
  }
}
