import type { EndpointSlice, NetworkPolicy, Pod, Service, ServicePort } from "../../../../src/kube/types.ts";

export function pod(
  path: string,
  addresses: string[],
  options: {
    labels?: Record<string, string>;
    ports?: { name: string; containerPort: number; protocol?: "TCP" | "UDP" }[];
    spec?: Partial<Pod["spec"]>;
    phase?: "Running" | "Succeeded";
  } = {},
): Pod {
  const [namespace = "", name = ""] = path.split("/");
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, labels: options.labels ?? {} },
    spec: {
      containers: [{ name: "main", image: "server", ports: options.ports ?? [] }],
      ...options.spec,
    },
    status: { phase: options.phase ?? "Running", podIPs: addresses.map((ip) => ({ ip })) },
  };
}

export function policy(path: string, spec: NetworkPolicy["spec"]): NetworkPolicy {
  const [namespace = "", name = ""] = path.split("/");
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace, name },
    spec,
  };
}

export function service(
  path: string,
  clusterIPs: string[],
  ports: ServicePort[],
  spec: Partial<Service["spec"]> = {},
): Service {
  const [namespace = "", name = ""] = path.split("/");
  const [clusterIP = "None"] = clusterIPs;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: { clusterIP, clusterIPs, ports, ...spec },
  };
}

export function slice(
  path: string,
  addressType: "IPv4" | "IPv6",
  endpoints: EndpointSlice["endpoints"],
  ports: NonNullable<EndpointSlice["ports"]>,
): EndpointSlice {
  const [namespace = "", name = ""] = path.split("/");
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace,
      name: `${name}-${addressType}`,
      labels: { "kubernetes.io/service-name": name },
    },
    addressType,
    endpoints,
    ports,
  };
}

/** The lines inside a chain, set or map of a ruleset's text, without indentation. */
export function linesOf(text: string, head: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  const start = lines.indexOf(`${head} {`);
  if (start === -1) throw new Error(`no "${head}" in\n${text}`);
  return lines.slice(start + 1, lines.indexOf("}", start));
}
