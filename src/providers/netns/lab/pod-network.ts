import type { CniConfig, CniDataplane, CniIpam, CniNode } from "../../../cnis/types.ts";
import { LabError } from "../../../core/errors.ts";
import type { NetOp } from "../../../kernel/net-ops.ts";
import { SystemCallError } from "../../../kernel/libc.ts";
import { NamespaceSupply } from "../../../kernel/namespace-supply.ts";
import type { NamespaceOrder } from "../../../kernel/namespace-supply.ts";
import type { NetworkHost } from "../../../kernel/network-host.ts";
import type { Pod } from "../../../kube/types.ts";
import { withoutIcmpLimits } from "./underlay.ts";
import type { Underlay } from "./underlay.ts";

export function podKey(pod: { metadata: { namespace?: string; name: string } }): string {
  return `${pod.metadata.namespace ?? "default"}/${pod.metadata.name}`;
}

/** A pod's place on the network. */
export interface AttachedPod {
  key: string;
  uid: string;
  node: string;
  addresses: string[];
  hostInterface: string;
  lladdr: string;
  host: NetworkHost;
  /** The kernel's limits on ICMP errors are lifted in it. */
  answersAll: boolean;
}

/** A node network's CIDRs and the router's addresses, one a family. */
export interface NodeNetwork {
  subnets: readonly string[];
  gateways: readonly string[];
}

/** The CNI at work: tunnels and routes between the nodes, a link and addresses for each pod. */
export class PodNetwork {
  readonly pods = new Map<string, AttachedPod>();
  readonly config: CniConfig;
  private readonly underlay: Underlay;
  private readonly dataplane: CniDataplane;
  /** One a family. */
  private readonly ipams: CniIpam[];
  private readonly networkOf: (network: string) => NodeNetwork;
  /** The operations each node has had, as text: on a change only new ones are carried out. */
  private readonly applied = new Map<string, Set<string>>();
  private readonly namespaces: NamespaceSupply;
  private readonly makeNamespaces: (order: NamespaceOrder) => void;
  private readonly expected = new Set<string>();
  /** Nodes on which a fault keeps new pods from getting a network, and what they are told; what is there stays. */
  readonly refusing = new Map<string, LabError>();

  constructor(
    underlay: Underlay,
    dataplane: CniDataplane,
    config: CniConfig,
    networkOf: (network: string) => NodeNetwork,
    /** Has another thread make what {@link NamespaceSupply} is asked for. */
    makeNamespaces: (order: NamespaceOrder) => void,
  ) {
    this.namespaces = new NamespaceSupply([...(dataplane.podNamespaceOps ?? []), { op: "link-up", name: "lo" }]);
    this.makeNamespaces = makeNamespaces;
    this.underlay = underlay;
    this.dataplane = dataplane;
    this.config = config;
    this.networkOf = networkOf;
    const planned = [...underlay.nodes.values()].map(({ plan }) => plan);
    const { podCidr, ipv6PodCidr } = config;
    this.ipams = [podCidr, ...(ipv6PodCidr === undefined ? [] : [ipv6PodCidr])].map((each) =>
      dataplane.ipam(planned, { ...config, podCidr: each }),
    );
    this.configureNodes();
  }

  nodes(): CniNode[] {
    return [...this.underlay.nodes.values()].map(({ plan, primary }) => {
      const { subnets, gateways } = this.networkOf(primary.network);
      const [ipv4, ipv6] = this.ipams.map((ipam, family) => ({
        name: plan.name,
        address: primary.addresses[family] ?? "",
        subnet: subnets[family] ?? "",
        gateway: gateways[family] ?? "",
        dev: primary.name,
        podCidrs: ipam.cidrs(plan.name),
      }));
      if (ipv4 === undefined) throw new Error("a cluster has a pod network");
      return ipv6 === undefined ? ipv4 : { ...ipv4, ipv6 };
    });
  }

  /** Pod CIDRs of a node, IPv4's first; those that each holds now. */
  podCidrs(node: string): string[] {
    return this.ipams.flatMap((ipam) => ipam.cidrs(node));
  }

  /** Brings every node to what the CNI says; a route through a cut link waits until the link is whole, as the kernel would refuse it. */
  configureNodes(): void {
    const nodes = this.nodes();
    for (const node of nodes) {
      const others = nodes.filter(({ name }) => name !== node.name);
      const done = this.applied.get(node.name) ?? new Set<string>();
      const { host, cut } = this.underlay.node(node.name);
      const fresh = this.dataplane
        .nodeOps(node, others, this.config)
        .filter((op) => !done.has(JSON.stringify(op)) && !(op.op === "route-add" && cut.has(op.dev ?? "")));
      host.configure(fresh, (key) => this.resolve(key));
      for (const op of fresh) done.add(JSON.stringify(op));
      this.applied.set(node.name, done);
      if (node.ipv6 !== undefined && fresh.some(({ op }) => op === "address-add")) host.untilUsable();
    }
  }

  private resolve(key: string): NetworkHost {
    const host = this.pods.get(key)?.host;
    if (host === undefined) throw new Error(`no pod namespace ${key}`);
    return host;
  }

  /**
   * Gives each pod its namespace, addresses and links, one batch of messages a node; one result a pod, in their order. A
   * pod without an address (IPAM_EXHAUSTED) fails alone; a refusal by the kernel throws after all of the batch is undone.
   */
  attach(pods: readonly Pod[]): (AttachedPod | Error)[] {
    const results = pods.map((pod) => this.allocate(pod));
    const added = pods.flatMap((pod, index) => {
      const attached = results[index];
      return attached === undefined || attached instanceof Error ? [] : [{ pod, attached }];
    });
    try {
      this.configureNodes();
      this.connect(added);
    } catch (error) {
      for (const { attached } of added) this.detach(attached.key);
      throw error;
    }
    return results;
  }

  /** A pod that `attach` will be given: its namespace is made meanwhile. */
  expect(uid: string): void {
    this.expected.add(uid);
    if (this.namespaces.want(this.expected.size)) this.makeNamespaces(this.namespaces.order);
  }

  /** A pod that went before `attach` was given it. */
  unexpect(uid: string): void {
    if (this.expected.delete(uid)) this.namespaces.keep(this.expected.size);
  }

  private allocate(pod: Pod): AttachedPod | Error {
    const node = pod.spec.nodeName ?? "";
    const key = podKey(pod);
    this.expected.delete(pod.metadata.uid ?? "");
    const refusal = this.refusing.get(node);
    if (refusal !== undefined) return refusal;
    let host: NetworkHost | undefined;
    const addresses: string[] = [];
    try {
      host = this.namespaces.take(key);
      for (const ipam of this.ipams) addresses.push(ipam.assign(node).address);
    } catch (error) {
      host?.close();
      this.release(node, addresses);
      // The host's limits: descriptors (EMFILE), network namespaces (ENOSPC, user.max_net_namespaces).
      if (error instanceof LabError || error instanceof SystemCallError) return error;
      throw error;
    }
    const attached: AttachedPod = {
      key,
      uid: pod.metadata.uid ?? "",
      node,
      addresses,
      hostInterface: "",
      lladdr: "",
      answersAll: false,
      host,
    };
    this.pods.set(key, attached);
    return attached;
  }

  private release(node: string, addresses: readonly string[]): void {
    for (const [family, address] of addresses.entries()) this.ipams[family]?.release(node, address);
  }

  private connect(added: readonly { pod: Pod; attached: AttachedPod }[]): void {
    const nodes = new Map(this.nodes().map((node) => [node.name, node]));
    const { segment } = this.dataplane;
    const ends =
      typeof segment === "string"
        ? []
        : [...nodes.values()].map((node) => ({ node: node.name, ...segment.end(node, this.config) }));
    const nodeOps = new Map<string, NetOp[]>();
    const podOps: { host: NetworkHost; ops: NetOp[] }[] = [];
    for (const { pod, attached } of added) {
      const node = nodes.get(attached.node);
      if (node === undefined) throw new Error(`pod ${attached.key} is on the unknown node ${attached.node}`);
      const attachment = this.dataplane.attachPod(
        {
          namespace: pod.metadata.namespace ?? "default",
          name: pod.metadata.name,
          uid: attached.uid,
          addresses: attached.addresses,
          netns: attached.key,
          ...(segment !== "none" && {
            neighbours: ends
              .filter((end) => end.node !== attached.node)
              .map(({ address, lladdr }) => ({ address, lladdr })),
          }),
        },
        node,
        this.config,
      );
      attached.hostInterface = attachment.hostInterface;
      attached.lladdr = attachment.lladdr;
      const ops = nodeOps.get(attached.node) ?? [];
      ops.push(...attachment.nodeOps);
      nodeOps.set(attached.node, ops);
      const eth0: NetOp = { op: "link-without-ipv6-address", name: "eth0" };
      podOps.push({ host: attached.host, ops: [eth0, ...attachment.podOps] });
    }
    for (const [node, ops] of nodeOps) this.underlay.node(node).host.configure(ops, (key) => this.resolve(key));
    for (const { host, ops } of podOps) host.configure(ops, (key) => this.resolve(key));
    // The nodes' ends were up first.
    for (const [node, ops] of nodeOps) this.underlay.node(node).host.untilCarrying(newLinks(ops));
    if (segment !== "none") this.pinNeighbours(new Set(added.map(({ attached }) => attached.key)));
    for (const { node, dev } of ends) {
      const ops = added.map(({ attached: { addresses, lladdr } }): NetOp => ({
        op: "neigh-add",
        dev,
        address: addresses[0] ?? "",
        lladdr,
      }));
      this.underlay.node(node).host.configure(ops, (key) => this.resolve(key));
    }
    for (const { host } of podOps) {
      // Here, after all links are up, there is mostly nothing left to wait for.
      if (this.ipams.length > 1) host.untilUsable();
      host.release();
    }
  }

  /**
   * Tells the new pods of all pods on their segment, and those of them. Learnt entries would overflow the ARP table that all
   * namespaces of the host share (gc_thresh3, 1024) from 30 to 40 pods on; permanent ones do not count.
   */
  private pinNeighbours(fresh: ReadonlySet<string>): void {
    for (const pod of this.pods.values()) {
      const unknown = [...this.pods.values()].filter(
        (other) =>
          other !== pod &&
          (other.node === pod.node || this.dataplane.segment !== "node") &&
          (fresh.has(pod.key) || fresh.has(other.key)),
      );
      const ops = unknown.flatMap(({ addresses, lladdr }) =>
        addresses.map((address): NetOp => ({ op: "neigh-add", dev: "eth0", address, lladdr })),
      );
      if (ops.length === 0) continue;
      pod.host.configure(ops, (key) => this.resolve(key));
      pod.host.release();
    }
  }

  /**
   * Lets every pod answer any number of UDP probes of closed ports with ICMP errors. Done before the first such sweep and
   * not at a pod's start: these files are a tenth of what a pod costs.
   */
  liftIcmpLimits(): void {
    for (const pod of this.pods.values()) {
      if (pod.answersAll) continue;
      pod.host.configure(withoutIcmpLimits(this.underlay.isDual), (key) => this.resolve(key));
      pod.answersAll = true;
    }
  }

  /** Removes a pod's link and address; its namespace goes with its last descriptor. */
  detach(key: string): void {
    const pod = this.pods.get(key);
    if (pod === undefined) return;
    this.pods.delete(key);
    const { host } = this.underlay.node(pod.node);
    // One whose attachment failed may have got no link.
    if (host.indexes.has(pod.hostInterface))
      host.configure([{ op: "link-delete", name: pod.hostInterface }], (name) => this.resolve(name));
    this.release(pod.node, pod.addresses);
    pod.host.close();
  }
}

/** The links of pods that the operations make, and behind them what they are ports of. */
function newLinks(ops: readonly NetOp[]): Set<string> {
  const links = ops.flatMap((op) => (op.op === "veth-add" ? [op.name] : []));
  const masters = ops.flatMap((op) => (op.op === "link-set" && op.master !== undefined ? [op.master] : []));
  return new Set([...links, ...masters]);
}
