import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { LabError } from "../core/errors.ts";
import { cidrSize, cidrsOverlap, formatCidr, formatIp, nthAddress, type Cidr } from "../core/ip.ts";
import { didYouMean } from "../core/suggest.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { parseYaml } from "../core/yaml-source.ts";
import { dnsLabelProblem } from "../kube/names.ts";
import type { PlannedInterface, PlannedNode, PlannedTopology } from "../plan/types.ts";
import { parseIpv4Network } from "./families.ts";
import { checkLabels } from "./check-labels.ts";
import { parseWith } from "./issues.ts";
import { ProblemList } from "./problems.ts";
import { topologyFileSchema, type TopologyInput } from "./schema.ts";
import { checkVms, nodeMachine } from "./vms.ts";
import { installed } from "../core/installation.ts";

/** The topologies that come with cnilab. */
export const TOPOLOGIES_DIRECTORY = installed("topologies");

type Taint = { key: string; value?: string | undefined; effect: string };

/** kubeadm's taint of control plane nodes. */
const CONTROL_PLANE_TAINT = { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" };

/** Names that may stand for `topology:` in a lab file. */
export function listTopologies(directory: string = TOPOLOGIES_DIRECTORY): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .toSorted();
}

/**
 * Reads a topology by name. Its own problems are added to the list with spans in its file; an unknown name is
 * LAB_UNKNOWN_TOPOLOGY at `at`. Undefined when there was any problem.
 */
export function readTopology(
  name: string,
  at: YamlPath,
  list: ProblemList,
  directory: string,
): PlannedTopology | undefined {
  const known = listTopologies(directory);
  if (!known.includes(name)) {
    list.error(
      "LAB_UNKNOWN_TOPOLOGY",
      at,
      `unknown topology ${JSON.stringify(name.slice(0, 60))}`,
      didYouMean(name, known),
    );
    return undefined;
  }
  const file = path.join(directory, `${name}.yaml`);
  const { documents, problems } = parseYaml(readFileSync(file), file);
  const document = documents[0];
  if (problems.length > 0 || document === undefined) {
    list.problems.push(...problems);
    return undefined;
  }
  const own = new ProblemList(document);
  const parsed = parseWith(topologyFileSchema, document.value, document, { whole: "a topology" });
  const topology = parsed.value === undefined ? undefined : resolveTopology(name, parsed.value, [], own);
  list.problems.push(...parsed.problems, ...own.problems);
  return topology;
}

/**
 * Assigns addresses: in each network the router has the first address and the nodes the following, in the order they are
 * written. Undefined when there was any problem; all are in the list.
 */
export function resolveTopology(
  name: string,
  input: TopologyInput,
  at: YamlPath,
  list: ProblemList,
): PlannedTopology | undefined {
  const before = list.problems.length;
  const subnets = checkNetworks(input, at, list);
  checkNodes(input, subnets, at, list);
  checkLinks(input, at, list);
  checkVms(input, at, list);
  if (list.problems.length > before) return undefined;
  const directory = path.dirname(path.resolve(list.document.span([]).file));
  const nextOffset = new Map([...subnets.keys()].map((network): [string, number] => [network, 2]));
  const nodes = Object.entries(input.nodes).map(([nodeName, node]): PlannedNode => {
    const interfaces = node.networks.map((network, index): PlannedInterface => {
      const subnet = subnets.get(network) as Cidr;
      const offset = nextOffset.get(network) as number;
      nextOffset.set(network, offset + 1);
      const link = input.links.find((candidate) => candidate.node === nodeName && candidate.network === network);
      return {
        name: `eth${index}`,
        network,
        addresses: [formatIp(nthAddress(subnet, offset) as { family: 4; value: bigint })],
        prefixLengths: [subnet.prefixLength],
        mtu: link?.mtu ?? (input.networks[network] as { mtu: number }).mtu,
      };
    });
    const isControlPlane = node.role === "control-plane";
    const taints = (node.taints ?? (isControlPlane ? [CONTROL_PLANE_TAINT] : [])).map((taint: Taint) =>
      taint.value === undefined ? { key: taint.key, effect: taint.effect } : { ...taint, value: taint.value },
    );
    const roleLabels = isControlPlane ? { "node-role.kubernetes.io/control-plane": "" } : {};
    const labels = { "kubernetes.io/hostname": nodeName, "kubernetes.io/os": "linux", ...roleLabels, ...node.labels };
    const machine = nodeMachine(nodeName, node.machine, { shared: input.vm, directory });
    const planned = { name: nodeName, role: node.role, labels, taints, interfaces };
    return machine === undefined ? planned : { ...planned, machine };
  });
  const networks = Object.entries(input.networks).map(([network, { mtu }]) => {
    const subnet = subnets.get(network) as Cidr;
    return {
      name: network,
      subnets: [formatCidr(subnet)],
      gateways: [formatIp(nthAddress(subnet, 1) as { family: 4; value: bigint })],
      mtu,
    };
  });
  return { name, networks, nodes };
}

function checkNetworks(input: TopologyInput, at: YamlPath, list: ProblemList): Map<string, Cidr> {
  const subnets = new Map<string, Cidr>();
  for (const [name, { subnet }] of Object.entries(input.networks)) {
    checkName("network", name, [...at, "networks", name], list);
    const where = [...at, "networks", name, "subnet"];
    const cidr = parseIpv4Network(subnet, where, list);
    if (cidr === undefined) continue;
    for (const [other, taken] of subnets) {
      if (cidrsOverlap(taken, cidr))
        list.error("LAB_NETWORK_OVERLAP", where, `${subnet} overlaps network ${other} (${formatCidr(taken)})`);
    }
    subnets.set(name, cidr);
  }
  if (Object.keys(input.networks).length === 0)
    list.error("LAB_BAD_VALUE", [...at, "networks"], "a topology needs at least one network");
  return subnets;
}

function checkNodes(input: TopologyInput, subnets: ReadonlyMap<string, Cidr>, at: YamlPath, list: ProblemList): void {
  const hosts = new Map<string, number>();
  for (const [name, node] of Object.entries(input.nodes)) {
    const where = [...at, "nodes", name];
    checkName("node", name, where, list);
    for (const [index, network] of node.networks.entries()) {
      const place = [...where, "networks", index];
      if (!Object.hasOwn(input.networks, network)) {
        list.error(
          "LAB_UNKNOWN_NETWORK",
          place,
          `unknown network ${JSON.stringify(network)}`,
          didYouMean(network, Object.keys(input.networks)),
        );
      } else if (node.networks.indexOf(network) !== index) {
        list.error("LAB_BAD_VALUE", place, `${name} is in network ${network} twice`);
      }
      const count = (hosts.get(network) ?? 0) + 1;
      hosts.set(network, count);
      const subnet = subnets.get(network);
      // The network's own address, the router and the broadcast address are taken.
      if (subnet !== undefined && BigInt(count) + 3n > cidrSize(subnet)) {
        list.error(
          "LAB_NETWORK_FULL",
          place,
          `network ${network} (${formatCidr(subnet)}) has no address left for ${name}`,
        );
      }
    }
    checkLabels(node.labels, [...where, "labels"], list);
  }
  const controlPlanes = Object.values(input.nodes).filter(({ role }) => role === "control-plane").length;
  if (controlPlanes === 0) {
    const hint = "give one node role: control-plane";
    list.errorAtKey("LAB_BAD_VALUE", [...at, "nodes"], "a topology needs a control-plane node", hint);
  } else if (controlPlanes % 2 === 0) {
    // etcd.io/docs, FAQ: "Why an odd number of cluster members?"
    list.errorAtKey(
      "LAB_BAD_VALUE",
      [...at, "nodes"],
      `an even number of control planes, ${controlPlanes}: etcd needs more than half of them, so that one fewer would survive as much`,
      `give ${controlPlanes - 1} or ${controlPlanes + 1} nodes role: control-plane`,
    );
  }
}

function checkLinks(input: TopologyInput, at: YamlPath, list: ProblemList): void {
  for (const [index, link] of input.links.entries()) {
    const where = [...at, "links", index];
    const node = Object.hasOwn(input.nodes, link.node) ? input.nodes[link.node] : undefined;
    if (node === undefined) {
      list.error(
        "LAB_UNKNOWN_NODE",
        [...where, "node"],
        `unknown node ${JSON.stringify(link.node)}`,
        didYouMean(link.node, Object.keys(input.nodes)),
      );
    } else if (!node.networks.includes(link.network)) {
      const hint = `${link.node} is in: ${[...new Set(node.networks)].join(", ")}`;
      list.error(
        "LAB_UNKNOWN_NETWORK",
        [...where, "network"],
        `${link.node} has no link to network ${JSON.stringify(link.network)}`,
        hint,
      );
    }
  }
}

function checkName(what: string, name: string, at: YamlPath, list: ProblemList): void {
  const problem =
    name === "external" ? "is reserved" : name.length > 40 ? "is longer than 40 characters" : dnsLabelProblem(name);
  if (problem !== undefined)
    list.errorAtKey("LAB_BAD_NAME", at, `${what} name ${JSON.stringify(name.slice(0, 60))} ${problem}`);
}

/** Reads a topology outside a lab, for `cnilab list` and tests. Throws its first problem. */
export function loadTopology(name: string, directory: string = TOPOLOGIES_DIRECTORY): PlannedTopology {
  const { documents } = parseYaml(`topology: ${JSON.stringify(name)}\n`, "topology");
  const list = new ProblemList(documents[0] as NonNullable<(typeof documents)[0]>);
  const topology = readTopology(name, ["topology"], list, directory);
  if (topology === undefined) throw list.problems[0] ?? new LabError("LAB_UNKNOWN_TOPOLOGY", `no topology ${name}`);
  return topology;
}
