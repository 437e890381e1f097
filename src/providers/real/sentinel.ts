import { LabError } from "../../core/errors.ts";
import { isPodReady, podAddresses } from "../../kube/pods.ts";
import type { KubeObject, Pod, Service } from "../../kube/types.ts";
import { clusterIps } from "../../kube/workloads.ts";
import { patchApply } from "./api/apply-object.ts";
import type { KubernetesApi } from "./api/kubernetes-api.ts";
import {
  GENERATION_LABEL,
  IN_EFFECT_ANNOTATION,
  policyObjects,
  policyPorts,
  ROLE_LABEL,
  serviceObjects,
} from "./sentinel-objects.ts";
import type { PulseValues, SystemPlace } from "./sentinel-objects.ts";
import { FlowPulse, NamePulse, serviceName, ServicePulse, together, type Pulse } from "./sentinel-pulse.ts";
import { placeOfPod } from "./places.ts";
import type { Agents, Place } from "./types.ts";

/*
 * How it is known that a node's agents have taken in all changes made until now: something of ours is changed after
 * them, and each node is asked whether it shows. What this rests on:
 *
 * - A watch delivers the changes of one kind in their order (etcd revisions), and an agent has one watch a kind. So each
 *   kind that agents follow gets a change of ours: Namespace (a label), Pod (a label of each caller), NetworkPolicy,
 *   Service, EndpointSlice. The two policy flows open only when all of the first three have come: the policy's ports are
 *   new, and the peer is picked by a label that is new, of its namespace for one flow and its own for the other. The
 *   Service flow opens only when both of the others have.
 * - On a dual-stack cluster each flow is tried in both families: agents and kube-proxy write their rules one family after the other.
 * - An agent works off what it got in that order, or all of it at once. Calico's Felix collects updates and writes the
 *   sets of addresses before one iptables-restore (or nft) transaction a table with all changed chains; a policy flow
 *   needs a changed chain, not only a changed set, so it opens with everything that was collected with it.
 *   weave-npc handles event after event. kube-proxy's sync writes all pending Services in one transaction.
 * - CoreDNS answers from its own watches of Services and EndpointSlices: a ClusterIP Service's SRV record needs the
 *   former, a headless one's the latter.
 *
 * Routes to a node's further address blocks (more than 64 pods on a node with Calico) come by a watch that none of our
 * flows follows; agents write them in the same round as what else came.
 */

/** What the policy flow is left at where rules of two moments are compared; no pulse has it. */
const REST: PulseValues = { generation: "rest", port: 9000 };
/** No rule of ours opens it, and nothing listens there. */
const CLOSED_PORT = 7;
/** A refusal from the same node takes no longer, on a busy host either. */
const SILENT_MS = 300;
const FIRST_PORT = 10_000;
const PORTS = 50_000;

export interface SentinelOptions {
  api: KubernetesApi;
  agents: Agents;
  enforcesPolicy: boolean;
  dnsDomain: string;
  /** Nodes that cannot take in anything now: faults, or not ready. They are left out. */
  isOut: (node: string) => boolean;
  system: SystemPlace;
}

/** Makes pulses; one of a sort at a time. */
export class Sentinel {
  private readonly options: SentinelOptions;
  private lastValueMs = 0;

  constructor(options: SentinelOptions) {
    this.options = options;
  }

  /** A change of namespaces, pods and policies; undefined where nothing enforces policies. Rejects with SENTINEL_MISSING. */
  pulsePolicies(): Promise<Pulse | undefined> {
    return this.writePolicies(this.values());
  }

  /** The same change every time, so that the rules it leaves are the same, too. */
  restPolicies(): Promise<Pulse | undefined> {
    return this.writePolicies(REST);
  }

  private async writePolicies(values: PulseValues): Promise<Pulse | undefined> {
    const { api, agents, enforcesPolicy, system } = this.options;
    if (!enforcesPolicy) return undefined;
    const pairs = await this.pairs();
    const relabel = ({ caller }: Pair): Promise<KubeObject> =>
      api.patch(
        { kind: "Pod", namespace: system.namespace, name: caller.metadata.name },
        { metadata: { labels: { [GENERATION_LABEL]: values.generation } } },
      );
    const [relabelled] = await Promise.all([
      Promise.all(pairs.map(relabel)),
      Promise.all(policyObjects(values, system).map((object) => this.write(object))),
    ]);
    const flows = pairs.flatMap(({ node, sentinel, caller }) =>
      podAddresses(sentinel).flatMap((address) =>
        Object.values(policyPorts(values)).map((port) => ({
          caller,
          address,
          port,
          layer: `the policy agent of node ${node}`,
          // A refusal comes from the sentinel's own kernel, where nothing listens: the packet got through.
          shown: ["refused"],
        })),
      ),
    );
    return new FlowPulse(agents, flows, lowestVersion(relabelled));
  }

  /**
   * Whether the policy keeps out at all, for the first change: where no policy is in force yet, every flow is open and shows
   * nothing. Undefined where nothing enforces policies. Rejects with SENTINEL_MISSING.
   */
  async isolation(): Promise<Pulse | undefined> {
    const { agents, enforcesPolicy } = this.options;
    if (!enforcesPolicy) return undefined;
    const flows = (await this.pairs()).flatMap(({ node, sentinel, caller }) =>
      podAddresses(sentinel).map((address) => ({
        caller,
        address,
        port: CLOSED_PORT,
        layer: `the policy agent of node ${node}`,
        shown: ["no-answer", "unreachable"],
      })),
    );
    return new FlowPulse(agents, flows, 0n, SILENT_MS);
  }

  /** A change of Services and endpoints. Rejects with SENTINEL_MISSING. */
  async pulseServices(): Promise<Pulse> {
    const { api, agents, dnsDomain, isOut, system } = this.options;
    const [pairs, dns] = await Promise.all([
      this.pairs(),
      api.list({ kind: "Pod", namespace: "kube-system", labelSelector: "k8s-app=kube-dns" }) as Promise<Pod[]>,
    ]);
    const values = this.values();
    const endpoints = pairs.flatMap(({ node, sentinel }) =>
      podAddresses(sentinel).map((address) => ({ node, address })),
    );
    const written = await Promise.all(serviceObjects(values, endpoints, system).map((object) => this.write(object)));
    const service = written.find(({ kind, metadata: { name } }) => kind === "Service" && name === "sentinel");
    const addresses = service === undefined ? [] : clusterIps(service as Service);
    if (addresses.length === 0)
      throw new LabError("SENTINEL_MISSING", `Service sentinel of ${system.namespace} has no address`);
    const names = ["sentinel", "names"].map((name) =>
      serviceName(values.generation, name, system.namespace, dnsDomain),
    );
    const servers = dns.filter((pod) => isPodReady(pod) && !isOut(pod.spec.nodeName ?? ""));
    const asked = servers.map((pod) => new NamePulse(agents, this.askerOf(pod, pairs), pod, names));
    const shown = pairs.flatMap((pair) =>
      addresses.map((address) => new ServicePulse(agents, pair, { address, port: values.port })),
    );
    return together([...shown, ...asked]);
  }

  /** From the server's own node, which no policy keeps out; where no agent of ours is there, from a pod of ours. */
  private askerOf({ spec: { nodeName = "" } }: Pod, pairs: readonly Pair[]): Place {
    const { nodes } = this.options.system;
    const [pair] = pairs;
    const isNear = nodes === undefined || nodes.includes(nodeName);
    return isNear || pair === undefined ? { kind: "node", node: nodeName } : placeOfPod(pair.caller);
  }

  /** Keeps what was seen in effect where the next process finds it. */
  async recordServices(fingerprint: string): Promise<void> {
    const ref = { kind: "Service", namespace: this.options.system.namespace, name: "sentinel" };
    await this.options.api.patch(ref, { metadata: { annotations: { [IN_EFFECT_ANNOTATION]: fingerprint } } });
  }

  private async write(object: KubeObject): Promise<KubeObject> {
    const { api } = this.options;
    const resource = await api.resources.find(object.kind, object.apiVersion);
    return (await patchApply(api.connection, { object, resource })).object;
  }

  private async pairs(): Promise<Pair[]> {
    const { api, isOut, system } = this.options;
    const pods = (await api.list({ kind: "Pod", namespace: system.namespace })) as Pod[];
    return pairsOf(pods, system.namespace, isOut);
  }

  /** By the clock, since the process before this one has left its own: a second pulse within a minute has another port. */
  private values(): PulseValues {
    const now = Math.max(Date.now(), this.lastValueMs + 2);
    this.lastValueMs = now;
    return { generation: `g${now.toString(36)}`, port: FIRST_PORT + (now % PORTS) };
  }
}

/** A node's two pods. */
interface Pair {
  node: string;
  sentinel: Pod;
  caller: Pod;
}

function pairsOf(pods: readonly Pod[], namespace: string, isOut: (node: string) => boolean): Pair[] {
  const usable = pods.filter((pod) => isPodReady(pod) && pod.metadata.deletionTimestamp === undefined);
  const find = (role: string, node: string): Pod | undefined =>
    usable.find(({ metadata, spec }) => metadata.labels?.[ROLE_LABEL] === role && spec.nodeName === node);
  const nodes = new Set(
    pods.flatMap(({ spec }) => (spec.nodeName === undefined || isOut(spec.nodeName) ? [] : [spec.nodeName])),
  );
  const lacking: string[] = [];
  const pairs = [...nodes].flatMap((node): Pair[] => {
    const [sentinel, caller] = [find("sentinel", node), find("caller", node)];
    if (sentinel !== undefined && caller !== undefined) return [{ node, sentinel, caller }];
    lacking.push(node);
    return [];
  });
  if (pairs.length === 0 || lacking.length > 0) {
    const where = lacking.length === 0 ? "no node" : `node ${lacking.join(", ")}`;
    const verb = lacking.length === 0 ? "has" : "lacks";
    throw new LabError(
      "SENTINEL_MISSING",
      `${where} ${verb} a ready pod of ${namespace} to see the effect of changes by`,
      {
        hint: `kubectl get pods --namespace ${namespace} --output wide`,
      },
    );
  }
  return pairs;
}

function lowestVersion(objects: readonly KubeObject[]): bigint {
  const versions = objects.map(({ metadata }) => BigInt(metadata.resourceVersion ?? "0"));
  return versions.reduce((least, version) => (version < least ? version : least), versions[0] ?? 0n);
}
