import { LabError } from "../../../core/errors.ts";
import { runControllers } from "../../../engine/controllers/controller.ts";
import type { Controller, ControllerSet } from "../../../engine/controllers/controller.ts";
import { zoneOf } from "../../../engine/controllers/endpoint-hints.ts";
import { systemClock } from "../../../engine/clock.ts";
import type { Family } from "../../../engine/nft/address-ranges.ts";
import { hostPortRuleset } from "../../../engine/nft/host-ports.ts";
import { DROP_SETS, policyRuleset } from "../../../engine/nft/policy-ruleset.ts";
import { PROXY_TABLE, proxyTables, REJECT_SET, UNALLOCATED_SET } from "../../../engine/nft/proxy-ruleset.ts";
import type { PolicyEnforcer } from "../../../engine/nft/policy-enforcer.ts";
import { evidenceSetNames } from "../../../engine/nft/evidence.ts";
import type { ObjectStore } from "../../../engine/store/store.ts";
import { deleteUdpConnections } from "../../../kernel/conntrack.ts";
import { NetlinkSocket } from "../../../kernel/netlink-socket.ts";
import { ADMIN_POLICY_KINDS, isAdminPolicy } from "../../../kube/admin-policy-types.ts";
import { hostPorts } from "../../../kube/host-ports.ts";
import { isPodTerminal } from "../../../kube/pods.ts";
import type { Pod } from "../../../kube/types.ts";
import { NETLINK_NETFILTER } from "../../../kernel/nft-set.ts";
import type { Plan } from "../../../plan/types.ts";
import type { CniDataplane } from "../../../cnis/types.ts";
import type { EvidenceSet } from "./evidence.ts";
import { HealthCheckServers } from "./health-check-servers.ts";
import { NodeRules } from "./node-rules.ts";
import type { PodNetwork } from "./pod-network.ts";
import type { ServerThread } from "./server-thread.ts";
import { speakersOf } from "./speaker.ts";
import { lostEndpoints, udpTranslations } from "./udp-translations.ts";
import type { UdpTranslations } from "./udp-translations.ts";
import type { Underlay } from "./underlay.ts";

interface DataplaneOptions {
  store: ObjectStore;
  underlay: Underlay;
  network: PodNetwork;
  dataplane: CniDataplane;
  plan: Pick<Plan, "topology" | "cni" | "cluster" | "realCluster">;
  servers: ServerThread;
}

interface RuledNode {
  name: string;
  /** Primary ones, which node ports are reached at. */
  addresses: readonly string[];
  rules: NodeRules;
  conntrack: NetlinkSocket;
  /** What kube-proxy's table translates for UDP. */
  translations: UdpTranslations;
  /** Nobody changes kube-proxy's table. */
  isProxyStopped: boolean;
  /** Nobody changes the policies' table. */
  isPolicyStopped: boolean;
}

/** The sets in which this cluster's rules record what they drop or reject. */
export function evidenceSetsOf(policy: PolicyEnforcer | undefined, families: readonly Family[]): EvidenceSet[] {
  const sets: EvidenceSet[] = [];
  for (const of of families) {
    const both = (
      family: EvidenceSet["family"],
      table: string,
      name: string,
      rest: Pick<EvidenceSet, "direction" | "isAnswered">,
    ): void => {
      const { flows, icmp } = evidenceSetNames(name, of);
      sets.push({ family, table, set: flows, ...rest }, { family, table, set: icmp, isPortless: true, ...rest });
    };
    if (policy !== undefined) {
      both("inet", policy.table, DROP_SETS.egress, { direction: "egress" });
      both("inet", policy.table, DROP_SETS.ingress, { direction: "ingress" });
    }
    both(of, PROXY_TABLE, REJECT_SET, { direction: "egress", isAnswered: true });
    both(of, PROXY_TABLE, UNALLOCATED_SET, { direction: "egress" });
  }
  return sets;
}

/**
 * Brings each node's nftables to what the store says: kube-proxy's table and, where the CNI enforces policy, its own. One
 * transaction a table and node; when `apply` returns, the next packet meets the new rules.
 */
export class Dataplane {
  readonly controllers: ControllerSet;
  private readonly options: DataplaneOptions;
  private readonly nodes: RuledNode[];
  private readonly started: Promise<void>;
  /** What kube-proxy serves beside its rules. */
  private readonly healthChecks: HealthCheckServers;
  /** When the rules of Services were last brought to what the store says. */
  private proxyUpdatedMs = systemClock.nowMs();

  constructor(options: DataplaneOptions) {
    this.options = options;
    const { store, underlay, dataplane } = options;
    this.healthChecks = new HealthCheckServers(underlay, store, options.servers, () => this.proxyUpdatedMs);
    this.nodes = [...underlay.nodes.values()].map(({ plan, primary, host }) => ({
      name: plan.name,
      addresses: primary.addresses,
      rules: new NodeRules(plan.name, host.namespace),
      conntrack: host.namespace.enter(() => new NetlinkSocket(NETLINK_NETFILTER)),
      translations: new Map(),
      isProxyStopped: false,
      isPolicyStopped: false,
    }));
    this.started = this.loadNodeRules();
    // Told by `ready`; a rejection that is not waited for yet would end the process.
    this.started.catch(() => undefined);
    this.controllers = runControllers(
      [
        this.nodeRules(),
        this.proxy(),
        this.hostPorts(),
        ...(dataplane.policy === undefined ? [] : [this.policy(dataplane.policy)]),
        this.healthChecks.controller(),
        ...speakersOf(options.plan, underlay, store),
      ],
      {
        store,
        clock: systemClock,
        onError: (controller, key, { error }) => {
          process.stderr.write(`${controller} ${key}: ${error instanceof Error ? error.stack : String(error)}\n`);
        },
      },
    );
  }

  /** Loads each node's rules, all nodes at the same time and whatever becomes of the others; then throws the first refusal. */
  private async loadAll(load: (node: RuledNode) => Promise<void>, nodes = this.nodes): Promise<void> {
    const ends = await Promise.allSettled(nodes.map(load));
    const refusal = ends.find((end) => end.status === "rejected");
    if (refusal !== undefined) throw refusal.reason;
  }

  /** Resolves when nodes have the rules that the CNI gives them before any pod; throws KERNEL_NFT_REFUSED. */
  async ready(): Promise<void> {
    await this.started;
  }

  /** Resolves when the kernel has what the store says; rejects with DATAPLANE_FAILED when it refuses it even now. */
  async inForce(): Promise<void> {
    this.controllers.retryFailing();
    await this.controllers.idle();
    const [failing] = this.controllers.failing();
    if (failing === undefined) return;
    const { error, attempts } = failing.failing;
    const reason = error instanceof Error ? error.message : String(error);
    throw new LabError("DATAPLANE_FAILED", `${failing.controller} failed ${attempts} times: ${reason}`, {
      hint: "what is seen now is not what the objects say; it is tried again, and the lab's log has every try",
      cause: error,
    });
  }

  private loadNodeRules(): Promise<void> {
    const { network, dataplane } = this.options;
    const nodes = new Map(network.nodes().map((node) => [node.name, node]));
    return this.loadAll(async ({ name, rules }) => {
      const node = nodes.get(name);
      await rules.loadText("cni", node === undefined ? "" : dataplane.nodeNft(node, network.config));
    });
  }

  /** What the CNI has on each node beyond policy: a node can take more of the pod network when it gets a pod. */
  private nodeRules(): Controller {
    return { name: "cni", kinds: ["Pod"], keysOf: () => ["rules"], reconcile: () => this.loadNodeRules() };
  }

  private proxy(): Controller {
    return {
      name: "kube-proxy",
      kinds: ["Service", "EndpointSlice", "Node"],
      keysOf: ({ key, object, previous }) =>
        key === "Node" && zoneOf(object) === (previous && zoneOf(previous)) ? [] : ["rules"],
      reconcile: () => this.syncProxy(),
    };
  }

  /** Stops kube-proxy on a node, whose rules stay as they are, or starts it again, which brings them to what the store says. */
  async setProxyStopped(name: string, isStopped: boolean): Promise<void> {
    const node = this.nodeNamed(name);
    node.isProxyStopped = isStopped;
    // What it has begun is finished first.
    await (isStopped ? node.rules.idle() : this.syncProxy());
    await this.healthChecks.setStopped(name, isStopped);
  }

  /** The same of the agent that writes the CNI's policy rules. Throws FAULT_NOT_POSSIBLE where the CNI has none. */
  async setPolicyStopped(name: string, isStopped: boolean): Promise<void> {
    const { policy } = this.options.dataplane;
    if (policy === undefined)
      throw new LabError("FAULT_NOT_POSSIBLE", `${this.options.plan.cni.name} has no agent that enforces policies`, {
        hint: "take a CNI that enforces NetworkPolicy",
      });
    const node = this.nodeNamed(name);
    node.isPolicyStopped = isStopped;
    await (isStopped ? node.rules.idle() : this.syncPolicy(policy));
  }

  private nodeNamed(name: string): RuledNode {
    const node = this.nodes.find((each) => each.name === name);
    if (node === undefined) throw new LabError("SOURCE_MISSING", `node ${name} does not exist`);
    return node;
  }

  private async syncProxy(): Promise<void> {
    const { store, plan } = this.options;
    const { cni, cluster } = plan;
    const services = store.list("Service");
    const endpointSlices = store.list("EndpointSlice");
    const nodes = this.nodes.filter(({ isProxyStopped }) => !isProxyStopped);
    await this.loadAll(async ({ name, addresses, rules }) => {
      const zone = zoneOf(store.get("Node", name));
      const tables = proxyTables({
        ...(zone === undefined ? {} : { zone }),
        services,
        endpointSlices,
        clusterCidrs: cni.podCidrs,
        serviceCidrs: cluster.serviceCidrs,
        node: name,
        nodeAddresses: addresses,
      });
      await rules.load("proxy", tables);
    }, nodes);
    const addresses = this.nodes.flatMap((node) => node.addresses);
    const translations = udpTranslations(services, endpointSlices, addresses);
    for (const node of nodes) forgetStaleUdp(node, translations);
    this.proxyUpdatedMs = systemClock.nowMs();
  }

  /** The portmap plugin, which all modelled CNIs call for each pod that asks for a port of its node. */
  private hostPorts(): Controller {
    return {
      name: "host-ports",
      kinds: ["Pod"],
      keysOf: ({ object }) => (hostPorts((object as Pod).spec).length > 0 ? ["rules"] : []),
      reconcile: () => {
        const pods = this.options.store.list("Pod").filter((pod) => !isPodTerminal(pod));
        return this.loadAll(async ({ name, rules }) =>
          rules.loadText("host-ports", hostPortRuleset(pods.filter(({ spec }) => spec.nodeName === name))),
        );
      },
    };
  }

  private policy(enforcer: PolicyEnforcer): Controller {
    return {
      name: "policy",
      kinds: [
        "NetworkPolicy",
        "Pod",
        "Namespace",
        ...(enforcer.admin === undefined ? [] : [...ADMIN_POLICY_KINDS, "Node" as const]),
      ],
      keysOf: () => ["rules"],
      reconcile: () => this.syncPolicy(enforcer),
    };
  }

  private syncPolicy(enforcer: PolicyEnforcer): Promise<void> {
    const { store, network } = this.options;
    const pods = store.list("Pod");
    const namespaces = store.list("Namespace");
    const policies = store.list("NetworkPolicy");
    const adminPolicies =
      enforcer.admin === undefined ? [] : ADMIN_POLICY_KINDS.flatMap((kind) => store.list(kind)).filter(isAdminPolicy);
    const nodes = [...this.options.underlay.nodes.values()].map(({ plan: { name, interfaces } }) => ({
      labels: store.get("Node", name)?.metadata.labels ?? {},
      addresses: interfaces.flatMap(({ addresses }) => addresses),
    }));
    return this.loadAll(
      async ({ name: node, rules }) => {
        const endpoints = [...network.pods.values()]
          .filter((pod) => pod.node === node)
          .map(({ key, hostInterface }) => {
            const slash = key.indexOf("/");
            return { hostInterface, namespace: key.slice(0, slash), name: key.slice(slash + 1) };
          });
        await rules.loadText(
          "policy",
          policyRuleset({ enforcer, endpoints, pods, namespaces, policies, adminPolicies, nodes }),
        );
      },
      this.nodes.filter(({ isPolicyStopped }) => !isPolicyStopped),
    );
  }
}

/** An established UDP flow keeps its translation whatever the rules say now; kube-proxy removes those of endpoints that went. */
function forgetStaleUdp(node: RuledNode, after: UdpTranslations): void {
  const before = node.translations;
  if (lostEndpoints(before, after)) {
    deleteUdpConnections(node.conntrack, ({ destination, destinationPort, answeredBy }) => {
      const address = `${destination}:${destinationPort}`;
      return before.has(address) && after.get(address)?.has(answeredBy) !== true;
    });
  }
  // Only now: a failure above is tried again with the same loss.
  node.translations = after;
}
