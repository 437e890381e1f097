import { LabError } from "../../../core/errors.ts";
import { runControllers } from "../../../engine/controllers/controller.ts";
import type { Controller, ControllerSet } from "../../../engine/controllers/controller.ts";
import { systemClock } from "../../../engine/clock.ts";
import { DROP_SETS, POLICY_TABLE, policyRuleset } from "../../../engine/nft/policy-ruleset.ts";
import { PROXY_TABLE, proxyRuleset, REJECT_SET, UNALLOCATED_SET } from "../../../engine/nft/proxy-ruleset.ts";
import { updateTables } from "../../../engine/nft/update-table.ts";
import { evidenceSetNames } from "../../../engine/nft/evidence.ts";
import type { ObjectStore } from "../../../engine/store/store.ts";
import { deleteUdpConnections } from "../../../kernel/conntrack.ts";
import { NetlinkSocket } from "../../../kernel/netlink-socket.ts";
import { NETLINK_NETFILTER } from "../../../kernel/nft-set.ts";
import { Nftables } from "../../../kernel/nftables.ts";
import type { PlannedCluster, PlannedCni } from "../../../plan/types.ts";
import type { CniDataplane } from "../../../cnis/types.ts";
import type { EvidenceSet } from "./evidence.ts";
import type { PodNetwork } from "./pod-network.ts";
import { lostEndpoints, udpTranslations } from "./udp-translations.ts";
import type { UdpTranslations } from "./udp-translations.ts";
import type { Underlay } from "./underlay.ts";

interface DataplaneOptions {
  store: ObjectStore;
  underlay: Underlay;
  network: PodNetwork;
  dataplane: CniDataplane;
  cni: PlannedCni;
  cluster: PlannedCluster;
}

interface NodeRules {
  name: string;
  nft: Nftables;
  conntrack: NetlinkSocket;
  /** Table → text that is in the kernel; an equal text is not loaded again. */
  loaded: Map<string, string>;
}

/** The sets in which this cluster's rules record what they drop or reject. */
export function evidenceSetsOf(cni: PlannedCni): EvidenceSet[] {
  const sets: EvidenceSet[] = [];
  const both = (
    family: EvidenceSet["family"],
    table: string,
    name: string,
    direction: EvidenceSet["direction"],
  ): void => {
    const { flows, icmp } = evidenceSetNames(name, "ip");
    sets.push({ family, table, set: flows, direction }, { family, table, set: icmp, direction });
  };
  if (cni.enforcesPolicy) {
    const table = POLICY_TABLE.split(" ")[1] ?? "";
    both("inet", table, DROP_SETS.egress, "egress");
    both("inet", table, DROP_SETS.ingress, "ingress");
  }
  both("ip", PROXY_TABLE, REJECT_SET, "egress");
  both("ip", PROXY_TABLE, UNALLOCATED_SET, "egress");
  return sets;
}

/**
 * Brings each node's nftables to what the store says: kube-proxy's table and, where the CNI enforces policy, its own. One
 * transaction a table and node; when `apply` returns, the next packet meets the new rules.
 */
export class Dataplane {
  readonly controllers: ControllerSet;
  private readonly options: DataplaneOptions;
  private readonly nodes: NodeRules[];
  private translations: UdpTranslations = new Map();

  constructor(options: DataplaneOptions) {
    this.options = options;
    const { store, underlay, network, dataplane } = options;
    this.nodes = [...underlay.nodes.values()].map(({ plan, host }) => ({
      name: plan.name,
      nft: new Nftables(host.namespace),
      conntrack: host.namespace.enter(() => new NetlinkSocket(NETLINK_NETFILTER)),
      loaded: new Map(),
    }));
    for (const node of network.nodes()) {
      const rules = this.nodes.find(({ name }) => name === node.name);
      const text = dataplane.nodeNft(node, network.config);
      if (rules !== undefined && text !== "") this.load(rules, "cni", text);
    }
    this.controllers = runControllers([this.proxy(), ...(options.cni.enforcesPolicy ? [this.policy()] : [])], {
      store,
      clock: systemClock,
      onError: (controller, key, { error }) => {
        process.stderr.write(`${controller} ${key}: ${error instanceof Error ? error.stack : String(error)}\n`);
      },
    });
  }

  private load(node: NodeRules, table: string, text: string): void {
    const previous = node.loaded.get(table);
    if (previous === text) return;
    try {
      node.nft.apply(updateTables(previous, text));
    } catch (error) {
      if (previous === undefined || !(error instanceof LabError)) throw error;
      // A node's rules are its learner's to break: what is to be changed may not be there. The whole table then, as
      // kube-proxy and Felix do; its text replaces whatever is in the kernel.
      process.stderr.write(`${node.name}: the table ${table} is made anew: ${error.message}\n`);
      node.nft.apply(text);
    }
    node.loaded.set(table, text);
  }

  /** Loads each node's text, whatever becomes of the others; then throws the first refusal. */
  private loadAll(table: string, textOf: (node: NodeRules) => string): void {
    const refusals: unknown[] = [];
    for (const node of this.nodes) {
      try {
        this.load(node, table, textOf(node));
      } catch (error) {
        refusals.push(error);
      }
    }
    if (refusals.length > 0) throw refusals[0];
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

  private proxy(): Controller {
    return {
      name: "kube-proxy",
      kinds: ["Service", "EndpointSlice"],
      keysOf: () => ["rules"],
      reconcile: () => {
        const { store, cni, cluster } = this.options;
        const services = store.list("Service");
        const endpointSlices = store.list("EndpointSlice");
        this.loadAll("proxy", (node) =>
          proxyRuleset({
            services,
            endpointSlices,
            clusterCidrs: cni.podCidrs,
            serviceCidrs: cluster.serviceCidrs,
            node: node.name,
          }),
        );
        this.forgetStaleUdp(udpTranslations(services, endpointSlices));
      },
    };
  }

  /** An established UDP flow keeps its translation whatever the rules say now; kube-proxy removes those of endpoints that went. */
  private forgetStaleUdp(after: UdpTranslations): void {
    const before = this.translations;
    const stale = lostEndpoints(before, after) ? this.nodes : [];
    for (const { conntrack } of stale) {
      deleteUdpConnections(conntrack, ({ destination, destinationPort, answeredBy }) => {
        const address = `${destination}:${destinationPort}`;
        return before.has(address) && after.get(address)?.has(answeredBy) !== true;
      });
    }
    // Only now: a failure above is tried again with the same loss.
    this.translations = after;
  }

  private policy(): Controller {
    return {
      name: "policy",
      kinds: ["NetworkPolicy", "Pod", "Namespace"],
      keysOf: () => ["rules"],
      reconcile: () => {
        const { store, network } = this.options;
        const pods = store.list("Pod");
        const namespaces = store.list("Namespace");
        const policies = store.list("NetworkPolicy");
        this.loadAll("policy", (node) => {
          const endpoints = [...network.pods.values()]
            .filter((pod) => pod.node === node.name)
            .map(({ key, hostInterface }) => {
              const slash = key.indexOf("/");
              return { hostInterface, namespace: key.slice(0, slash), name: key.slice(slash + 1) };
            });
          return policyRuleset({ endpoints, pods, namespaces, policies });
        });
      },
    };
  }
}
