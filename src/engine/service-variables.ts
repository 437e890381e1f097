import type { Pod, Service, ServicePort } from "../kube/types.ts";

/** Variables by name. */
export type ServiceVariables = ReadonlyMap<string, string>;

/**
 * The variables that the kubelet gives every container of a pod it starts, for Services as they are at that moment
 * (pkg/kubelet/envvars, kubelet_pods.go getServiceEnvVarMap): those of the pod's namespace unless its enableServiceLinks is
 * false, and in any case default/kubernetes, where the pod's namespace has none of that name. Headless and ExternalName
 * Services have none.
 */
export function serviceVariables(services: readonly Service[], pod: Pod): ServiceVariables {
  const own = new Map<string, Service>();
  const namespace = pod.metadata.namespace ?? "default";
  for (const service of services) {
    const { name } = service.metadata;
    if (!hasAddress(service)) continue;
    if (service.metadata.namespace === namespace && pod.spec["enableServiceLinks"] !== false) own.set(name, service);
    else if (service.metadata.namespace === "default" && name === "kubernetes" && !own.has(name))
      own.set(name, service);
  }
  return new Map([...own.values()].flatMap(variablesOf));
}

function hasAddress({ spec }: Service): boolean {
  return (
    spec.type !== "ExternalName" && spec.clusterIP !== undefined && spec.clusterIP !== "" && spec.clusterIP !== "None"
  );
}

/** A name as variables have it: upper case, "_" for "-". */
function word(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}

function variablesOf({ metadata, spec }: Service): [string, string][] {
  const prefix = word(metadata.name);
  const host = spec.clusterIP ?? "";
  const ports = spec.ports ?? [];
  const first = ports[0] === undefined ? [] : [[`${prefix}_SERVICE_PORT`, String(ports[0].port)] as [string, string]];
  const named = ports.flatMap(({ name = "", port }): [string, string][] =>
    name === "" ? [] : [[`${prefix}_SERVICE_PORT_${word(name)}`, String(port)]],
  );
  return [
    [`${prefix}_SERVICE_HOST`, host],
    ...first,
    ...named,
    ...ports.flatMap((port, index) => linkVariables(prefix, host, port, index === 0)),
  ];
}

/** What Docker's links had (docs.docker.com/engine/network/links). */
function linkVariables(
  prefix: string,
  host: string,
  { port, protocol = "TCP" }: ServicePort,
  isFirst: boolean,
): [string, string][] {
  const address = host.includes(":") ? `[${host}]` : host;
  const url = `${protocol.toLowerCase()}://${address}:${port}`;
  const portPrefix = `${prefix}_PORT_${port}_${protocol}`;
  return [
    ...(isFirst ? [[`${prefix}_PORT`, url] as [string, string]] : []),
    [portPrefix, url],
    [`${portPrefix}_PROTO`, protocol.toLowerCase()],
    [`${portPrefix}_PORT`, String(port)],
    [`${portPrefix}_ADDR`, host],
  ];
}
