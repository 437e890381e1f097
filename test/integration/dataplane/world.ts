import { spawnSync } from "node:child_process";
import { cnis } from "../../../src/cnis/registry.ts";
import type { CniConfig, CniDataplane, CniNode } from "../../../src/cnis/types.ts";
import { hostPortRuleset } from "../../../src/engine/nft/host-ports.ts";
import { policyRuleset } from "../../../src/engine/nft/policy-ruleset.ts";
import type { PolicyEndpoint } from "../../../src/engine/nft/policy-ruleset.ts";
import { proxyRuleset } from "../../../src/engine/nft/proxy-ruleset.ts";
import { calls, check, errnoName, lastErrno } from "../../../src/kernel/libc.ts";
import type { NetOp } from "../../../src/kernel/net-ops.ts";
import { NetworkHost } from "../../../src/kernel/network-host.ts";
import { Nftables } from "../../../src/kernel/nftables.ts";
import { bindUdp, listenTcp, openSocket, socketAddress } from "../../../src/kernel/sockets.ts";
import { destinationPortOf, sctpInit } from "./sctp-init.ts";
import type { EndpointSlice, NetworkPolicy, Pod, Service } from "../../../src/kube/types.ts";
import type { PlannedNode } from "../../../src/plan/types.ts";

const AF_INET = 2;
const SOCK_RAW_NONBLOCK = 3 | 0o4000;
const IPPROTO_SCTP = 132;
const EINPROGRESS = 115;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const EPOLLOUT = 4;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
/** How long silence has to last here; packets between these namespaces take microseconds. */
const SILENCE_MS = 200;

interface NodeSpec {
  name: string;
  /** Number of the node network: 1 is 172.30.1.0/24. */
  network: number;
}

interface PodSpec {
  name: string;
  node: string;
  labels?: Record<string, string>;
  tcp?: number[];
  udp?: number[];
  /** Name → number of declared TCP ports. */
  named?: Record<string, number>;
}

/** A small cluster of network namespaces, made by the code under test alone: no engine, no object store. */
export class World {
  readonly hosts = new Map<string, NetworkHost>();
  readonly pods: Pod[] = [];
  private readonly nodes: CniNode[] = [];
  private readonly endpoints = new Map<string, PolicyEndpoint[]>();
  private readonly nft = new Map<string, Nftables>();
  private readonly udpServers = new Map<string, number>();
  private sctpTries = 0;
  private readonly dataplane: CniDataplane;
  private readonly config: CniConfig;

  constructor(cniName: keyof typeof cnis, mode: string, nodes: readonly NodeSpec[], pods: readonly PodSpec[]) {
    const cni = cnis[cniName];
    if (cni.dataplane === undefined) throw new Error(`${cniName} has no model`);
    this.dataplane = cni.dataplane;
    const overhead = cni.modes.find(({ name }) => name === mode)?.overheadBytes ?? 0;
    this.config = {
      mode,
      podCidr: cni.defaultPodCidr,
      serviceCidr: "10.96.0.0/16",
      mtu: 1500 - overhead,
      options: {},
    };
    this.makeUnderlay(nodes);
    const ipam = this.dataplane.ipam(
      nodes.map(({ name }): PlannedNode => ({
        name,
        role: "worker",
        labels: {},
        taints: [],
        interfaces: [],
      })),
      this.config,
    );
    for (const node of this.nodes) node.podCidrs = ipam.cidrs(node.name);
    for (const node of this.nodes) {
      this.configure(
        node.name,
        this.dataplane.nodeOps(
          node,
          this.nodes.filter((other) => other !== node),
          this.config,
        ),
      );
      this.nftOf(node.name).apply(this.dataplane.nodeNft(node, this.config));
    }
    for (const pod of pods) this.addPod(pod, ipam.assign(pod.node).address);
    for (const { name } of this.nodes) this.awaitPorts(name);
  }

  /** The kernel lets a bridge's port forward a moment after its link is up, in a work queue of its own. */
  private awaitPorts(node: string): void {
    for (let tries = 0; tries < 100; tries += 1) {
      const { output } = this.run(node, ["bridge", "-j", "link"]);
      const ports = JSON.parse(output) as { state: string }[];
      if (ports.every(({ state }) => state === "forwarding")) return;
    }
    throw new Error(`ports of ${node} do not forward`);
  }

  private makeUnderlay(specs: readonly NodeSpec[]): void {
    this.host("router");
    this.configure("router", [{ op: "sysctl", key: "ipv4/ip_forward", value: "1" }]);
    for (const network of new Set(specs.map(({ network: number }) => number))) {
      this.configure("router", [
        { op: "bridge-add", name: `br${network}` },
        {
          op: "address-add",
          dev: `br${network}`,
          address: `172.30.${network}.1`,
          prefixLength: 24,
        },
        { op: "link-up", name: `br${network}` },
      ]);
    }
    specs.forEach(({ name, network }, index) => {
      this.host(name);
      const gateway = `172.30.${network}.1`;
      const address = `172.30.${network}.${10 + index}`;
      this.configure("router", [
        { op: "veth-add", name: `to-${name}`, peer: { name: "eth0", namespace: name } },
        { op: "link-set", name: `to-${name}`, master: `br${network}` },
        { op: "link-up", name: `to-${name}` },
      ]);
      this.configure(name, [
        { op: "address-add", dev: "eth0", address, prefixLength: 24 },
        { op: "link-up", name: "eth0" },
        { op: "route-add", to: "default", via: gateway, dev: "eth0" },
      ]);
      this.nodes.push({
        name,
        address,
        subnet: `172.30.${network}.0/24`,
        dev: "eth0",
        gateway,
        podCidrs: [],
      });
    });
  }

  private addPod(spec: PodSpec, address: string): void {
    const node = this.nodes.find(({ name }) => name === spec.node);
    if (node === undefined) throw new Error(`no node ${spec.node}`);
    this.host(spec.name);
    const attachment = this.dataplane.attachPod(
      {
        namespace: "shop",
        name: spec.name,
        uid: spec.name,
        addresses: [address],
        netns: spec.name,
      },
      node,
      this.config,
    );
    this.configure(spec.node, attachment.nodeOps);
    this.configure(spec.name, [...(this.dataplane.podNamespaceOps ?? []), ...attachment.podOps]);
    this.endpoints.set(spec.node, [
      ...(this.endpoints.get(spec.node) ?? []),
      { hostInterface: attachment.hostInterface, namespace: "shop", name: spec.name },
    ]);
    const ports = Object.entries(spec.named ?? {}).map(([name, containerPort]) => ({
      name,
      containerPort,
    }));
    this.pods.push({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "shop", name: spec.name, labels: spec.labels ?? {} },
      spec: { nodeName: spec.node, containers: [{ name: "main", image: "server", ports }] },
      status: { phase: "Running", podIPs: [{ ip: address }] },
    });
    const { namespace } = this.host(spec.name);
    for (const port of spec.tcp ?? []) namespace.enter(() => listenTcp("0.0.0.0", port));
    for (const port of spec.udp ?? [])
      this.udpServers.set(
        `${address}/${port}`,
        namespace.enter(() => bindUdp("0.0.0.0", port)),
      );
  }

  private host(name: string): NetworkHost {
    const known = this.hosts.get(name);
    if (known !== undefined) return known;
    const host = NetworkHost.create(name);
    this.hosts.set(name, host);
    this.configure(name, [{ op: "link-up", name: "lo" }]);
    return host;
  }

  private configure(name: string, ops: readonly NetOp[]): void {
    this.host(name).configure(ops, (key) => this.host(key));
  }

  private nftOf(node: string): Nftables {
    const known = this.nft.get(node);
    if (known !== undefined) return known;
    const nft = new Nftables(this.host(node).namespace);
    this.nft.set(node, nft);
    return nft;
  }

  applyPolicies(policies: readonly NetworkPolicy[]): void {
    const enforcer = this.dataplane.policy;
    if (enforcer === undefined) throw new Error("this CNI enforces no policy");
    for (const { name } of this.nodes) {
      this.nftOf(name).apply(
        policyRuleset({
          enforcer,
          endpoints: this.endpoints.get(name) ?? [],
          pods: this.pods,
          namespaces: [],
          policies,
          adminPolicies: [],
          nodes: [],
        }),
      );
    }
  }

  applyServices(services: readonly Service[], endpointSlices: readonly EndpointSlice[]): void {
    for (const { name, address } of this.nodes) {
      const { podCidr, serviceCidr } = this.config;
      this.nftOf(name).apply(
        proxyRuleset({
          services,
          endpointSlices,
          clusterCidrs: [podCidr],
          serviceCidrs: [serviceCidr],
          node: name,
          nodeAddresses: [address],
        }),
      );
    }
  }

  applyHostPorts(node: string, pods: readonly Pod[]): void {
    this.nftOf(node).apply(hostPortRuleset(pods));
  }

  address(name: string): string {
    const pod = this.pods.find(({ metadata }) => metadata.name === name);
    const address = pod?.status?.podIPs?.[0]?.ip ?? this.nodes.find((node) => node.name === name)?.address;
    if (address === undefined) throw new Error(`no pod or node ${name}`);
    return address;
  }

  /** "open", the errno of a refusal, or "silence". */
  tcp(from: string, address: string, port: number): string {
    return this.host(from).namespace.enter(() => {
      const fd = openSocket("tcp", address);
      const name = socketAddress(address, port);
      const failed = calls.connect(fd, name, name.length) < 0 ? lastErrno() : 0;
      const isReady = failed === EINPROGRESS && waitFor(fd, EPOLLOUT);
      const outcome =
        failed !== 0 && failed !== EINPROGRESS ? errnoName(failed) : isReady ? socketError(fd) : "silence";
      calls.close(fd);
      return outcome;
    });
  }

  /** Whether a datagram to a pod's UDP server arrives there. */
  udp(from: string, to: string, port: number): string {
    const address = this.address(to);
    const server = this.udpServers.get(`${address}/${port}`);
    if (server === undefined) throw new Error(`${to} has no UDP server on ${port}`);
    this.host(from).namespace.enter(() => {
      const fd = openSocket("udp", address);
      const name = socketAddress(address, port);
      calls.connect(fd, name, name.length);
      calls.send(fd, Buffer.from("x"), 1, 0);
      calls.close(fd);
    });
    const arrived = waitFor(server, EPOLLIN);
    if (arrived) calls.recv(server, new Uint8Array(8), 8, 0);
    return arrived ? "open" : "silence";
  }

  /**
   * The first packet of an SCTP association, by raw sockets, so that the kernel needs no SCTP: the port at which it arrives at the pod
   * `to`, or "silence".
   */
  sctp(from: string, address: string, port: number, to: string): number | "silence" {
    const rawSocket = (): number => check("socket", calls.socket(AF_INET, SOCK_RAW_NONBLOCK, IPPROTO_SCTP));
    const receiver = this.host(to).namespace.enter(rawSocket);
    this.sctpTries += 1;
    this.host(from).namespace.enter(() => {
      const fd = rawSocket();
      const name = socketAddress(address, 0);
      const packet = sctpInit(50_000 + this.sctpTries, port);
      check("sendto", calls.sendto(fd, packet, packet.length, 0, name, name.length));
      calls.close(fd);
    });
    const packet = new Uint8Array(128);
    const arrived = waitFor(receiver, EPOLLIN) && check("recv", calls.recv(receiver, packet, packet.length, 0)) > 0;
    calls.close(receiver);
    return arrived ? destinationPortOf(packet) : "silence";
  }

  /** Exit status of a command run in a namespace with its output. */
  run(where: string, argv: readonly string[]): { status: number | null; output: string } {
    const [command = "", ...rest] = argv;
    const { status, stdout, stderr } = this.host(where).namespace.enter(() =>
      spawnSync(command, rest, { encoding: "utf8", timeout: 10_000 }),
    );
    return { status, output: `${stdout}${stderr}` };
  }

  ping(from: string, address: string, payloadBytes = 56): string {
    const argv = ["ping", "-c1", "-W0.3", "-n", "-M", "do", "-s", `${payloadBytes}`, address];
    return this.run(from, argv).status === 0 ? "answer" : "no answer";
  }

  /** Elements of an evidence set, numbers and addresses joined by a blank, timestamps left out. */
  evidence(node: string, table: string, set: string): string[] {
    const listed = this.nftOf(node).list(`list set ${table} ${set}`);
    return listed.flatMap((entry) => {
      const { elem = [] } = (entry["set"] ?? {}) as {
        elem?: { elem: { val: { concat: (string | number)[] } } }[];
      };
      return elem.map(({ elem: { val } }) => val.concat.join(" "));
    });
  }
}

function waitFor(fd: number, events: number): boolean {
  const epoll = calls.epoll_create1(0);
  const event = Buffer.alloc(12);
  event.writeUInt32LE(events, 0);
  calls.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event);
  const ready = calls.epoll_wait(epoll, new Uint8Array(12), 1, SILENCE_MS);
  calls.close(epoll);
  return ready > 0;
}

function socketError(fd: number): string {
  const value = Buffer.alloc(4);
  calls.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, [4]);
  const errno = value.readInt32LE(0);
  return errno === 0 ? "open" : errnoName(errno);
}
