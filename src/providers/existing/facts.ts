import { setTimeout as pause } from "node:timers/promises";
import { LabError } from "../../core/errors.ts";
import { isPodReady, podAddresses } from "../../kube/pods.ts";
import type { KubeObject, Pod } from "../../kube/types.ts";
import type { Plan } from "../../plan/types.ts";
import { ApiError } from "../real/api/api-error.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { placeOfPod } from "../real/places.ts";
import { ROLE_LABEL } from "../real/sentinel-objects.ts";
import type { Agents } from "../real/types.ts";
import type { DetectedCni } from "./detect-cni.ts";
import type { StandIns } from "./nodes.ts";

const POD_TIMEOUT_MS = 180_000;
const TOOL_TIMEOUT_MS = 10_000;
/** A flow that a policy must block is given as long to be blocked. */
const ENFORCED_WITHIN_MS = 15_000;
const SILENCE_MS = 1100;
const TRY_MS = 100;
/** Open in no policy of ours, and nothing listens there. */
const CLOSED_PORT = 9;

/** Of a CNI that somebody else installed: nobody says which of its modes it is in. */
export const AS_FOUND = "as-found";

/** What a pod of the cluster knows of its network. */
export interface PodFacts {
  dnsAddress: string;
  /** Undefined where the search list does not say. */
  dnsDomain: string | undefined;
  mtu: number;
}

/** A ready pod of ours in the pod network of one of the nodes. */
export async function callerPod(api: KubernetesApi, namespace: string, signal: AbortSignal): Promise<Pod> {
  const isOne = (object: KubeObject): boolean =>
    object.metadata.labels?.[ROLE_LABEL] === "caller" && isPodReady(object as Pod);
  const objects = await api.until(
    [{ kind: "Pod", namespace }],
    (pods) => (pods.some(isOne) ? undefined : "no pod of ours is ready on any node"),
    {
      timeoutMs: POD_TIMEOUT_MS,
      signal,
      timeout: (gap) =>
        new LabError("CLUSTER_NOT_READY", `after ${POD_TIMEOUT_MS / 1000} s ${gap}`, {
          hint: `kubectl describe pods --namespace ${namespace}`,
        }),
    },
  );
  return objects.find(isOne) as Pod;
}

/** Reads resolv.conf and the interface of a pod. */
export async function podFacts(agents: Agents, pod: Pod): Promise<PodFacts> {
  const run = async (...argv: string[]): Promise<string> =>
    (await agents.exec(placeOfPod(pod), argv, { timeoutMs: TOOL_TIMEOUT_MS })).stdout;
  const [resolv, links] = await Promise.all([run("cat", "/etc/resolv.conf"), run("ip", "-j", "link", "show")]);
  return { ...readResolvConf(resolv, pod.metadata.namespace ?? ""), mtu: smallestMtu(links) };
}

/** The kubelet writes `search NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN …` (kubernetes.io/docs/concepts/services-networking/dns-pod-service). */
export function readResolvConf(text: string, namespace: string): Pick<PodFacts, "dnsAddress" | "dnsDomain"> {
  const words = text.split("\n").map((line) => line.trim().split(/\s+/));
  const dnsAddress = words.find(([word]) => word === "nameserver")?.[1];
  if (dnsAddress === undefined) {
    throw new LabError("EXISTING_NO_DNS", "pods of the cluster have no nameserver in their resolv.conf");
  }
  const search = words.findLast(([word]) => word === "search")?.slice(1) ?? [];
  const own = search.find((domain) => domain.startsWith(`${namespace}.svc.`));
  return { dnsAddress, dnsDomain: own?.slice(`${namespace}.svc.`.length).replace(/\.$/, "") };
}

function smallestMtu(json: string): number {
  const links = JSON.parse(json) as { ifname: string; mtu: number; flags?: string[] }[];
  return Math.min(...links.filter(({ flags = [] }) => !flags.includes("LOOPBACK")).map(({ mtu }) => mtu));
}

/** ServiceCIDR objects say it since 1.33; before, the API server says it when it refuses an address. */
export async function serviceCidrs(api: KubernetesApi, namespace: string): Promise<string[]> {
  try {
    const objects = await api.list({ kind: "ServiceCIDR" });
    const cidrs = objects.flatMap((object) => (object["spec"] as { cidrs?: string[] }).cidrs ?? []);
    if (cidrs.length > 0) return cidrs;
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "API_KIND_UNKNOWN") throw error;
  }
  const metadata = { name: "cnilab-asks", namespace };
  const body = { apiVersion: "v1", kind: "Service", metadata, spec: { clusterIP: "0.0.0.1", ports: [{ port: 1 }] } };
  let said = "it takes any address";
  try {
    const path = `/api/v1/namespaces/${namespace}/services`;
    await api.connection.send({ method: "POST", path, query: { dryRun: "All" }, body });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    said = error.why;
    const [, range] = /range of valid IPs is ([0-9a-f.:/]+)/i.exec(said) ?? [];
    if (range !== undefined) return [range];
  }
  throw new LabError("EXISTING_NO_SERVICE_NETWORK", `the API server does not tell its Service network: ${said}`);
}

/**
 * Whether policies have an effect, by a flow between two pods of a node that one of ours blocks; the policy is there already.
 * What is refused gets through.
 */
export async function enforcesPolicy(agents: Agents, pods: readonly Pod[], signal: AbortSignal): Promise<boolean> {
  const caller = pods.find(({ metadata }) => metadata.labels?.[ROLE_LABEL] === "caller");
  const sentinel = pods.find(
    ({ metadata, spec }) => metadata.labels?.[ROLE_LABEL] === "sentinel" && spec.nodeName === caller?.spec.nodeName,
  );
  if (caller === undefined || sentinel === undefined) {
    throw new LabError("SENTINEL_MISSING", "no node has both pods of ours");
  }
  const from = placeOfPod(caller);
  const cell = { id: 0, from, address: podAddresses(sentinel)[0] ?? "", port: CLOSED_PORT, protocol: "tcp" as const };
  const until = performance.now() + ENFORCED_WITHIN_MS;
  for (;;) {
    signal.throwIfAborted();
    const { cells } = await agents.sweep([cell], { deadlineMs: SILENCE_MS });
    const [{ outcome, detail } = { outcome: "error", detail: "no result" }] = cells;
    if (outcome === "error") throw new LabError("SENTINEL_MISSING", `a pod of ours cannot be asked: ${detail}`);
    if (outcome !== "refused") return true;
    if (performance.now() > until) return false;
    await pause(TRY_MS, undefined, { signal });
  }
}

/** The plan as the cluster really is. Throws EXISTING_DOMAIN_DIFFERS. */
export function planAsFound(
  plan: Plan,
  found: {
    nodes: StandIns;
    cni: DetectedCni | undefined;
    pod: PodFacts;
    serviceCidrs: string[];
    enforcesPolicy: boolean;
  },
): Plan {
  const { nodes, cni, pod } = found;
  const { dnsDomain } = plan.cluster;
  if (pod.dnsDomain !== undefined && pod.dnsDomain !== dnsDomain) {
    throw new LabError(
      "EXISTING_DOMAIN_DIFFERS",
      `the cluster's DNS domain is ${pod.dnsDomain}, the lab's is ${dnsDomain}`,
      { hint: `the lab says it as cluster.dnsDomain; its manifests and probes may have ${dnsDomain} in names` },
    );
  }
  return {
    ...plan,
    topology: {
      ...plan.topology,
      nodes: [...nodes.values()].map(({ planned, addresses }) => ({
        ...planned,
        interfaces: planned.interfaces.slice(0, 1).map((first) => ({ ...first, addresses })),
      })),
    },
    cni: {
      name: cni?.cni.name ?? "unknown",
      mode: AS_FOUND,
      podCidrs: [...nodes.values()].flatMap(({ podCidrs }) => podCidrs),
      mtu: pod.mtu,
      enforcesPolicy: found.enforcesPolicy,
      options: {},
    },
    cluster: { serviceCidrs: found.serviceCidrs, dnsAddress: pod.dnsAddress, dnsDomain },
  };
}
