import type { KubeObject } from "../../kube/types.ts";
import { AGNHOST_IMAGE } from "./agnhost-image.ts";

/** The namespace of all that is ours in a cluster that is ours alone; `list` never shows it. */
export const SYSTEM_NAMESPACE = "cnilab-system";

/** Where in a cluster our own objects are. */
export interface SystemPlace {
  namespace: string;
  /** On the namespace. */
  labels: Record<string, string>;
  /** Names of the nodes that get our pods; all where it is absent. */
  nodes?: readonly string[];
}

export const OWN_CLUSTER: SystemPlace = { namespace: SYSTEM_NAMESPACE, labels: {} };

/** Of the sentinels' web server, which each node's ClusterIP flow and the readiness check reach. */
export const SENTINEL_PORT = 8080;

export const GENERATION_LABEL = "cnilab.dev/generation";
export const ROLE_LABEL = "cnilab.dev/role";

/** On the Service: which Services and endpoints were seen in effect on every node. */
export const IN_EFFECT_ANNOTATION = "cnilab.dev/in-effect";

/** Labels of what we put into a cluster, on top of their own. */
const OURS = { "app.kubernetes.io/managed-by": "cnilab" };

/**
 * Two pods a node: a sentinel that listens and a caller that only has a network namespace. Both are on every node, so
 * that each node's flow stays on it and says nothing of what lies between nodes, which a lab may have broken.
 */
export function systemObjects(place: SystemPlace): KubeObject[] {
  return [
    systemNamespace(undefined, place),
    daemonSet("sentinel", ["netexec", `--http-port=${SENTINEL_PORT}`], place),
    daemonSet("caller", ["pause"], place),
  ];
}

function systemNamespace(generation: string | undefined, { namespace, labels }: SystemPlace): KubeObject {
  const own = generation === undefined ? {} : { [GENERATION_LABEL]: generation };
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace, labels: { ...OURS, ...labels, ...own } },
  };
}

function daemonSet(role: string, args: string[], { namespace, nodes }: SystemPlace): KubeObject {
  const labels = { [ROLE_LABEL]: role };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: role, namespace, labels: OURS },
    spec: {
      selector: { matchLabels: labels },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "100%" } },
      template: {
        metadata: { labels },
        spec: {
          tolerations: [{ operator: "Exists" }],
          ...(nodes === undefined ? {} : { affinity: onNodes(nodes) }),
          terminationGracePeriodSeconds: 0,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          containers: [{ name: role, image: AGNHOST_IMAGE, imagePullPolicy: "IfNotPresent", args }],
        },
      },
    },
  };
}

/** Node affinity that only these nodes meet; by their names, since their hostname labels may be others. */
export function onNodes(names: readonly string[]): object {
  const nodeSelectorTerms = names.map((name) => ({
    matchFields: [{ key: "metadata.name", operator: "In", values: [name] }],
  }));
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
}

/** What a pulse says anew: flows that no earlier one opened. */
export interface PulseValues {
  /** A DNS label of at most 15 characters: it is a port's name too. */
  generation: string;
  /** Never one of those before; it and the next one are the policy's. */
  port: number;
}

/** The policy's ports: one opens by a label of the caller's namespace, one by a label of the caller. */
export function policyPorts({ port }: PulseValues): { byNamespace: number; byPod: number } {
  return { byNamespace: port, byPod: port + 1 };
}

/** A node's sentinel, as endpoints name it. */
export interface SentinelEndpoint {
  node: string;
  address: string;
}

/**
 * What policy agents take in, but for the callers' labels; nothing listens on the ports, a refusal is what gets through.
 * Namespaces and pods are picked by a rule each: weave-npc does not look at pods again when their namespace's labels change
 * (npc/namespace.go, updateNamespace), so that one rule for both would stay shut where that news comes last.
 */
export function policyObjects(values: PulseValues, place: SystemPlace): KubeObject[] {
  const matchLabels = { [GENERATION_LABEL]: values.generation };
  const { byNamespace, byPod } = policyPorts(values);
  return [
    systemNamespace(values.generation, place),
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "sentinel", namespace: place.namespace, labels: OURS },
      spec: {
        podSelector: { matchLabels: { [ROLE_LABEL]: "sentinel" } },
        policyTypes: ["Ingress"],
        ingress: [
          { ports: [{ protocol: "TCP", port: SENTINEL_PORT }] },
          { from: [{ namespaceSelector: { matchLabels } }], ports: [{ protocol: "TCP", port: byNamespace }] },
          { from: [{ podSelector: { matchLabels } }], ports: [{ protocol: "TCP", port: byPod }] },
        ],
      },
    },
  ];
}

/** What kube-proxy and cluster DNS take in. */
export function serviceObjects(
  { generation, port: number }: PulseValues,
  endpoints: readonly SentinelEndpoint[],
  { namespace }: SystemPlace,
): KubeObject[] {
  const port = { name: generation, protocol: "TCP", port: number, targetPort: SENTINEL_PORT };
  const ipv6 = endpoints.filter(({ address }) => address.includes(":"));
  const ipv4 = endpoints.filter((each) => !ipv6.includes(each));
  const families = ipv4.length > 0 && ipv6.length > 0 ? { ipFamilyPolicy: "PreferDualStack" } : {};
  const slices = (name: string): KubeObject[] => [
    ...(ipv4.length === 0 ? [] : [endpointSlice(name, { service: name, namespace, generation }, "IPv4", ipv4)]),
    ...(ipv6.length === 0
      ? []
      : [endpointSlice(`${name}-ipv6`, { service: name, namespace, generation }, "IPv6", ipv6)]),
  ];
  return [
    // Each node's flow ends at its own sentinel.
    service("sentinel", namespace, { ...families, internalTrafficPolicy: "Local", ports: [port] }),
    service("names", namespace, { ...families, clusterIP: "None", ports: [port] }),
    ...slices("sentinel"),
    ...slices("names"),
  ];
}

function service(name: string, namespace: string, spec: Record<string, unknown>): KubeObject {
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace, labels: OURS }, spec };
}

/** Without a selector the EndpointSlice controller leaves a Service alone, so that its endpoints change when we say so. */
function endpointSlice(
  name: string,
  { service: owner, namespace, generation }: { service: string; namespace: string; generation: string },
  addressType: "IPv4" | "IPv6",
  endpoints: readonly SentinelEndpoint[],
): KubeObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace,
      labels: { "kubernetes.io/service-name": owner, "endpointslice.kubernetes.io/managed-by": "cnilab" },
    },
    addressType,
    ports: [{ name: generation, protocol: "TCP", port: SENTINEL_PORT }],
    endpoints: endpoints.map(({ node, address }) => ({
      addresses: [address],
      nodeName: node,
      conditions: { ready: true },
    })),
  };
}
