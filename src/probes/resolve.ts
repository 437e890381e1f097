import { LabError } from "../core/errors.ts";
import { isIp } from "../core/ip.ts";
import { serviceAddressesOf } from "../kube/load-balancers.ts";
import { podAddresses } from "../kube/pods.ts";
import type { Pod, Service } from "../kube/types.ts";
import {
  clusterIps,
  findObject,
  firstReady,
  livePods,
  podAt,
  podName,
  podsOfWorkload,
  serviceAt,
  serviceBackends,
} from "../kube/workloads.ts";
import type { ServiceBackend } from "../kube/workloads.ts";
import type { AddressFamily } from "../lab/fields.ts";
import type { EndpointRef } from "../plan/types.ts";
import { resolveSource } from "../providers/source.ts";
import type { ResolvedSource } from "../providers/source.ts";
import type { ExecOptions, Flow, Source } from "../providers/types.ts";
import { serviceOfName } from "./cluster-name.ts";
import { isServiceAddress } from "./sweep.ts";
import { identityAt, ofFamily, pickAddress } from "./target-family.ts";
import type { ProbeContext } from "./types.ts";

/** What a probe is aimed at, found among the cluster's objects. */
export interface ResolvedTarget {
  /** What the tool is given: an IP literal, or the name as written. */
  host: string;
  /** The address it stands for; undefined for a name that only a lookup can tell. */
  address?: string;
  /** Canonical reference: the same for every way to name the same server. */
  identity: string;
  /** The pods, node or host that should answer; several behind a Service, none where nothing is known of it. */
  to: Source[];
  /** Ends of the flow after address translation: what the data plane's records name. */
  backends: ServiceBackend[];
  /** The Service whose cluster IP is aimed at. */
  service?: Service;
  /** Facts a reader needs beside the outcome, such as which pod of a workload was taken. */
  notes: string[];
}

/** Port and protocol that the probe opens; ping and lookups by their own protocol. */
export interface TargetPort {
  port?: number;
  protocol: Flow["protocol"];
  /** Of the address aimed at; by default the target's first that the source has one of, too. */
  family?: AddressFamily | undefined;
}

/** The source of a probe. Throws PROBE_NO_SOURCE and what {@link resolveSource} throws. */
export function probeSource(ref: EndpointRef | undefined, context: ProbeContext): ResolvedSource {
  if (ref === undefined) {
    throw new LabError("PROBE_NO_SOURCE", "the probe does not say where it starts", {
      hint: "add from: with a pod, a workload, node/NAME or external",
    });
  }
  return resolveSource(ref, context.objects);
}

/**
 * What a reference means as a destination: a pod by its address; a workload by its first ready pod by name; a Service by
 * its cluster IP, from outside the cluster by its load balancer's address, a headless one by its first endpoint; a name as written, with the Service that cluster DNS would answer
 * for it. Addresses are of the family wanted, else of one that the source has. Throws TARGET_MISSING, TARGET_NOT_READY,
 * TARGET_LACKS_FAMILY, TARGET_LACKS_BALANCER.
 */
export async function resolveTarget(
  ref: EndpointRef,
  aim: TargetPort,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<ResolvedTarget> {
  switch (ref.kind) {
    case "pod": {
      const pod = livePods(context.objects).find((each) => podName(each) === `${ref.namespace}/${ref.name}`);
      if (pod === undefined) throw missing(`pod ${ref.namespace}/${ref.name}`);
      return podTarget(pod, aim, from);
    }
    case "workload": {
      const text = `${ref.namespace}/${ref.workload}/${ref.name}`;
      const pods = podsOfWorkload(context.objects, ref.workload, ref.namespace, ref.name);
      if (pods === undefined) throw missing(text);
      const pod = firstReady(pods);
      if (pod === undefined) {
        throw new LabError("TARGET_NOT_READY", `${text} has no ready pod to probe (${pods.length} not ready)`);
      }
      const target = podTarget(pod, aim, from);
      const others = pods.length > 1 ? `, the first ready of ${pods.length} pods` : "";
      return { ...target, notes: [`${text} is probed at ${podName(pod)}${others}`] };
    }
    case "service": {
      const service = findObject(context.objects, "Service", ref.namespace, ref.name) as Service | undefined;
      if (service === undefined) throw missing(`Service ${ref.namespace}/${ref.name}`);
      return serviceTarget(service, aim, from, context);
    }
    case "node": {
      if (findObject(context.objects, "Node", undefined, ref.name) === undefined) throw missing(`node ${ref.name}`);
      return hostTarget({ kind: "node", name: ref.name }, `node/${ref.name}`, aim, from, context);
    }
    case "external":
      return hostTarget({ kind: "external" }, "external", aim, from, context);
    case "address":
      return addressTarget(ref.address, aim, context);
    case "host":
      return nameTarget(ref.host, aim, from, context);
  }
}

/** The target of a URL's or lookup's host: an address, or a name. */
export function resolveHost(
  host: string,
  aim: TargetPort,
  from: ResolvedSource,
  context: ProbeContext,
): ResolvedTarget {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  return isIp(bare) ? addressTarget(bare, aim, context) : nameTarget(host, aim, from, context);
}

/** A pod as a target. Throws TARGET_NOT_READY where it has no address, TARGET_LACKS_FAMILY where none of the family wanted. */
export function podTarget(pod: Pod, aim: TargetPort, from?: ResolvedSource): ResolvedTarget {
  const address = pickAddress(podAddresses(pod), from === undefined ? [] : sourceAddresses(from), aim, podName(pod));
  if (address === undefined) throw new LabError("TARGET_NOT_READY", `pod ${podName(pod)} has no address yet`);
  const place = { namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name };
  return {
    host: address,
    address,
    identity: identityAt(address, podName(pod)),
    to: [{ kind: "pod", ...place }],
    backends: [{ address, ...portOf(aim), pod: place }],
    notes: [],
  };
}

function serviceTarget(service: Service, aim: TargetPort, from: ResolvedSource, context: ProbeContext): ResolvedTarget {
  const name = `${service.metadata.namespace ?? "default"}/${service.metadata.name}`;
  const identity = `${service.metadata.namespace ?? "default"}/service/${service.metadata.name}`;
  if (service.spec.type === "ExternalName" && service.spec.externalName !== undefined) {
    const target = nameTarget(service.spec.externalName, aim, from, context);
    return { ...target, identity, notes: [`Service ${name} is an alias of ${service.spec.externalName}`] };
  }
  const known = aim.port === undefined ? undefined : aim.protocol === "udp" ? "UDP" : "TCP";
  const addresses = from.source.kind === "external" ? outsideAddresses(service, name) : clusterIps(service);
  const address = pickAddress(addresses, sourceAddresses(from), aim, `Service ${name}`);
  if (address !== undefined) {
    const all = serviceBackends(context.objects, service, known === undefined ? undefined : aim.port, known);
    const backends = ofFamily(all, address);
    const to = backends.flatMap(({ pod }): Source[] => (pod === undefined ? [] : [{ kind: "pod", ...pod }]));
    const notes = backends.length === 0 ? [`Service ${name} has no ready endpoint${portText(aim)}`] : [];
    return { host: address, address, identity: identityAt(address, identity), to, backends, service, notes };
  }
  const ready = serviceBackends(context.objects, service);
  const wanted = pickAddress(
    ready.map((backend) => backend.address),
    sourceAddresses(from),
    aim,
    `headless Service ${name}`,
  );
  const first = ready.find((backend) => backend.address === wanted);
  if (first === undefined) throw new LabError("TARGET_NOT_READY", `headless Service ${name} has no ready endpoint`);
  const who = first.pod === undefined ? first.address : `${first.pod.namespace}/${first.pod.name}`;
  return {
    host: first.address,
    address: first.address,
    identity: identityAt(first.address, who),
    to: first.pod === undefined ? [] : [{ kind: "pod", ...first.pod }],
    backends: [{ ...first, ...portOf(aim) }],
    notes: [`Service ${name} is headless: probed at its first endpoint, ${who}`],
  };
}

/** What the outside can reach of a Service: its load balancer, where it has one; else it tries the cluster's own address, as it may. */
function outsideAddresses(service: Service, name: string): string[] {
  if (service.spec.type !== "LoadBalancer") return clusterIps(service);
  const addresses = serviceAddressesOf(service);
  if (addresses.length > 0) return addresses;
  throw new LabError("TARGET_LACKS_BALANCER", `Service ${name} has no address of a load balancer`, {
    hint: "the events of the Service say why it gets none",
  });
}

async function hostTarget(
  source: Source,
  identity: string,
  aim: TargetPort,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<ResolvedTarget> {
  const address = pickAddress(await context.cluster.addresses(source), sourceAddresses(from), aim, identity);
  if (address === undefined) throw new LabError("TARGET_NOT_READY", `${identity} has no address`);
  return {
    host: address,
    address,
    identity: identityAt(address, identity),
    to: [source],
    backends: [{ address, ...portOf(aim) }],
    notes: [],
  };
}

function addressTarget(address: string, aim: TargetPort, context: ProbeContext): ResolvedTarget {
  const pod = podAt(context.objects, address);
  if (pod !== undefined) {
    const target = podTarget(pod, { ...aim, family: address.includes(":") ? "ipv6" : "ipv4" });
    return { ...target, host: address, address, backends: target.backends.map((backend) => ({ ...backend, address })) };
  }
  const service = serviceAt(context.objects, address);
  if (service === undefined) {
    const isUnallocated = isServiceAddress(address, context.plan.cluster.serviceCidrs);
    const backends = isUnallocated ? [] : [{ address, ...portOf(aim) }];
    const notes = isUnallocated ? [`${address} is in the Service network, and no Service has it`] : [];
    return { host: address, address, identity: address, to: [], backends, notes };
  }
  const backends = ofFamily(
    aim.port === undefined
      ? serviceBackends(context.objects, service)
      : serviceBackends(context.objects, service, aim.port, aim.protocol === "udp" ? "UDP" : "TCP"),
    address,
  );
  return {
    host: address,
    address,
    identity: identityAt(address, `${service.metadata.namespace ?? "default"}/service/${service.metadata.name}`),
    to: backends.flatMap(({ pod: behind }): Source[] => (behind === undefined ? [] : [{ kind: "pod", ...behind }])),
    backends,
    service,
    notes: [
      `${address} is ${clusterIps(service).includes(address) ? "the cluster IP" : "an address"} of Service ${service.metadata.namespace}/${service.metadata.name}`,
    ],
  };
}

function nameTarget(host: string, aim: TargetPort, from: ResolvedSource, context: ProbeContext): ResolvedTarget {
  const service = serviceOfName(host, from.namespace, context.objects, context.plan.cluster.dnsDomain);
  if (service === undefined || (clusterIps(service).length === 0 && service.spec.type !== "ExternalName")) {
    return { host, identity: host, to: [], backends: [], notes: [] };
  }
  return { ...serviceTarget(service, aim, from, context), host };
}

/** Of a pod; of other places none are known. */
export function sourceAddresses(from: ResolvedSource): string[] {
  return from.pod === undefined ? [] : podAddresses(from.pod);
}

function portOf({ port }: TargetPort): { port?: number } {
  return port === undefined ? {} : { port };
}

function portText({ port, protocol }: TargetPort): string {
  return port === undefined ? "" : ` on port ${port}/${protocol}`;
}

/** The flow for the oracle and for controls. `address` is a stand-in for names: the Service's, else the name. */
export function flowTo(target: ResolvedTarget, aim: TargetPort, from: ResolvedSource): Flow {
  const targetPorts = target.backends.flatMap(({ pod, port }) =>
    pod === undefined || port === undefined ? [] : [port],
  );
  return {
    from: from.source,
    to: target.to,
    address: target.address ?? target.host,
    ...portOf(aim),
    protocol: aim.protocol,
    ...(targetPorts.length > 0 && targetPorts.length === target.to.length ? { targetPorts } : {}),
  };
}

/** What `exec` watches for to end early: one dropped flow to any end that this target's flow can have. */
export function dropWatch(
  target: ResolvedTarget,
  aim: TargetPort,
): NonNullable<ExecOptions["untilDropped"]> | undefined {
  const ends = target.backends.map(({ address }) => address);
  if (ends.length === 0) return undefined;
  const ports = new Set(target.backends.map(({ port }) => port));
  const [port] = ports.size === 1 ? ports : [];
  return {
    destinations: [...new Set(ends)],
    protocol: aim.protocol,
    ...(aim.protocol === "icmp" || port === undefined ? {} : { port }),
    match: "any",
  };
}

function missing(what: string): LabError {
  return new LabError("TARGET_MISSING", `${what} does not exist`, {
    hint: "cnilab status shows what is there; a manifest may not have been applied",
  });
}
