import { parseAllDocuments } from "yaml";
import * as z from "zod";
import { isIp } from "../core/ip.ts";
import { didYouMean } from "../core/suggest.ts";
import { isMapping } from "../core/yaml-source.ts";
import type { PlannedRealCluster, PlannedTopology } from "../plan/types.ts";
import type { ProblemList } from "./problems.ts";

const port = z.int().min(1).max(65535);

/** Fields of `cluster:` that only real clusters have a use for. */
export const realClusterFields = {
  kubeProxyMode: z
    .enum(["iptables", "nftables"])
    .optional()
    .describe("kube-proxy's mode; default nftables, as the embedded engine's Services are made"),
  addOns: z
    .array(z.enum(["metallb", "traefik", "metrics-server", "istio", "gateway-api"]))
    .optional()
    .describe(
      "LoadBalancer addresses, Ingress, what HorizontalPodAutoscaler reads, a service mesh, and the Gateway API",
    ),
  kubeadmPatches: z
    .array(z.string().min(1).max(20_000))
    .optional()
    .describe("kubeadm configuration documents, merged into every node's"),
  portMappings: z
    .array(
      z.strictObject({
        node: z.string(),
        containerPort: port,
        hostPort: port,
        listenAddress: z.string().optional().describe("default 127.0.0.1"),
        protocol: z.enum(["tcp", "udp"]).default("tcp"),
      }),
    )
    .optional()
    .describe("ports of this host that lead to a node's"),
};

type RealClusterInput = z.output<z.ZodObject<typeof realClusterFields>>;

/** What a lab says of a real cluster where it says nothing. */
export const DEFAULT_REAL_CLUSTER: PlannedRealCluster = {
  kubeProxyMode: "nftables",
  addOns: [],
  kubeadmPatches: [],
  portMappings: [],
};

/** What a lab says of real clusters, its defaults filled in; undefined where it says nothing. Problems go to the list. */
export function readRealCluster(
  { kubeProxyMode, addOns = [], kubeadmPatches = [], portMappings = [] }: RealClusterInput,
  topology: PlannedTopology | undefined,
  list: ProblemList,
): PlannedRealCluster | undefined {
  checkAddOns(addOns, list);
  checkPatches(kubeadmPatches, list);
  checkMappings(portMappings, topology, list);
  if (kubeProxyMode === undefined && [addOns, kubeadmPatches, portMappings].every(({ length }) => length === 0)) {
    return undefined;
  }
  return {
    kubeProxyMode: kubeProxyMode ?? DEFAULT_REAL_CLUSTER.kubeProxyMode,
    addOns,
    kubeadmPatches,
    portMappings: portMappings.map(({ listenAddress, ...mapping }) =>
      listenAddress === undefined ? mapping : { ...mapping, listenAddress },
    ),
  };
}

function checkAddOns(addOns: readonly string[], list: ProblemList): void {
  for (const [index, name] of addOns.entries()) {
    if (addOns.indexOf(name) !== index)
      list.error("LAB_BAD_VALUE", ["cluster", "addOns", index], `${name} is listed twice`);
    if (name === "gateway-api" && !addOns.includes("traefik")) {
      const hint = "list traefik, too: it serves Gateways and HTTPRoutes";
      list.error("LAB_BAD_VALUE", ["cluster", "addOns", index], "gateway-api needs the add-on traefik", hint);
    }
  }
}

/** kubeadm ignores a document whose kind it does not know, so that a misspelt one would do nothing. */
const KUBEADM_KINDS = [
  "ClusterConfiguration",
  "InitConfiguration",
  "JoinConfiguration",
  "KubeletConfiguration",
  "KubeProxyConfiguration",
];

function checkPatches(patches: readonly string[], list: ProblemList): void {
  for (const [index, text] of patches.entries()) {
    const at = ["cluster", "kubeadmPatches", index];
    const [document, ...others] = parseAllDocuments(text);
    const [problem] = document?.errors ?? [];
    const value: unknown = problem === undefined ? document?.toJS() : undefined;
    if (problem !== undefined) list.error("LAB_BAD_VALUE", at, `a kubeadm patch is no YAML: ${problem.message}`);
    else if (others.length > 0)
      list.error("LAB_BAD_VALUE", at, "a kubeadm patch is one document", "list each on its own");
    else if (!isMapping(value) || typeof value["kind"] !== "string" || !KUBEADM_KINDS.includes(value["kind"])) {
      const kind = isMapping(value) ? value["kind"] : undefined;
      const hint = typeof kind === "string" ? didYouMean(kind, KUBEADM_KINDS) : `kinds: ${KUBEADM_KINDS.join(", ")}`;
      list.error("LAB_BAD_VALUE", at, "a kubeadm patch needs a kind of kubeadm's configuration", hint);
    }
  }
}

function checkMappings(
  mappings: NonNullable<RealClusterInput["portMappings"]>,
  topology: PlannedTopology | undefined,
  list: ProblemList,
): void {
  const names = topology?.nodes.map(({ name }) => name);
  const taken = new Set<string>();
  for (const [index, { node, hostPort, protocol, listenAddress = "127.0.0.1" }] of mappings.entries()) {
    const at = ["cluster", "portMappings", index];
    if (names !== undefined && !names.includes(node)) {
      const message = `unknown node ${JSON.stringify(node.slice(0, 60))}`;
      list.error("LAB_UNKNOWN_NODE", [...at, "node"], message, didYouMean(node, names));
    }
    if (!isIp(listenAddress)) {
      list.error("LAB_BAD_VALUE", [...at, "listenAddress"], `${JSON.stringify(listenAddress)} is no IP address`);
    }
    const key = `${listenAddress} ${hostPort}/${protocol}`;
    if (taken.has(key)) {
      list.error("LAB_BAD_VALUE", [...at, "hostPort"], `host port ${hostPort}/${protocol} is mapped twice`);
    }
    taken.add(key);
  }
}
