import { cidrContains, parseCidr, parseIp } from "../core/ip.ts";
import type { PolicyReason } from "../grade/types.ts";
import { resolveTargetPort } from "../kube/pods.ts";
import type { IntOrString, KubeObject, Pod, Protocol, Service } from "../kube/types.ts";
import { explainVerdict } from "../policy/explain.ts";
import { createOracle } from "../policy/oracle.ts";
import type { OracleEnd, OracleVerdict, OracleWorld } from "../policy/types.ts";
import type { ProbeFlow } from "../probes/types.ts";
import type { Source } from "../providers/types.ts";
import { namespaceOf } from "./reference-objects.ts";

/** What the policies expect of a flow. */
export interface FlowAnswer {
  /** Absent where the API, or the Service's backends, leave it open: `why.notGradable` says so. */
  expected?: "allowed" | "blocked";
  why: PolicyReason;
  /** A pod to itself, directly. */
  isLoopback: boolean;
}

/** Answers what policies say of probes' flows, Services included. */
export interface FlowOracle {
  answer(flow: ProbeFlow): FlowAnswer;
}

/** What is needed besides the world to read a probe's flow. */
export interface FlowContext {
  /** Live objects: Services, and the ports of their pods. */
  objects: readonly KubeObject[];
  serviceCidrs: readonly string[];
  /** Addresses of the host outside the cluster; none where the lab has no such host. */
  externalAddresses: readonly string[];
}

/**
 * Puts an oracle of the world behind probes' flows. A flow to a Service is judged as one to each of its pods on the
 * target port, because policies see what kube-proxy made of it; where the pods' verdicts differ nothing is expected.
 */
export function createFlowOracle(world: OracleWorld, context: FlowContext): FlowOracle {
  const oracle = createOracle(world);
  const pods = new Map(world.pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
  const nodes = new Set((world.nodes ?? []).map(({ name }) => name));

  const endOf = (source: Source): OracleEnd | string => {
    switch (source.kind) {
      case "pod":
        return pods.has(`${source.namespace}/${source.name}`)
          ? { kind: "pod", namespace: source.namespace, name: source.name }
          : `there is no pod ${source.namespace}/${source.name}`;
      case "node":
        return nodes.has(source.name) ? { kind: "node", name: source.name } : `there is no node ${source.name}`;
      case "external": {
        const [address] = context.externalAddresses;
        return address === undefined ? "the address of the outside host is not known" : { kind: "address", address };
      }
    }
  };

  return {
    answer(flow) {
      const from = endOf(flow.from);
      if (typeof from === "string") return unknown(from);
      const targets = targetsOf(flow, context, (source) => endOf(source));
      if (typeof targets === "string") return unknown(targets);
      const protocol = flow.protocol === "icmp" ? "ICMP" : protocolOf(flow);
      const verdicts = targets.map(({ end, port }) => oracle.verdict({ from, to: end, protocol, port }));
      return combine(verdicts);
    },
  };
}

interface Target {
  end: OracleEnd;
  port: number | undefined;
}

/** Where the flow's packets go after Service translation, or why that is not known. */
function targetsOf(flow: ProbeFlow, context: FlowContext, endOf: (source: Source) => OracleEnd | string): Target[] | string {
  const service = context.objects.find((object) => isServiceAt(object, flow.address)) as Service | undefined;
  if (service === undefined) {
    if (isInAny(context.serviceCidrs, flow.address)) return `${flow.address} belongs to no Service`;
    // The address itself says more than the object: it is what the packet carries.
    return [{ end: { kind: "address", address: flow.address }, port: flow.port }];
  }
  const name = `${namespaceOf(service)}/${service.metadata.name}`;
  if (flow.protocol === "icmp") return `Service ${name} takes no ICMP`;
  const servicePort = service.spec.ports?.find(
    ({ port, protocol = "TCP" }) => port === flow.port && protocol === protocolOf(flow),
  );
  if (servicePort === undefined) return `Service ${name} has no port ${flow.port}/${protocolOf(flow)}`;
  const targets: Target[] = [];
  for (const source of flow.to) {
    const end = endOf(source);
    if (typeof end === "string") return end;
    const port = targetPort(source, servicePort.targetPort ?? servicePort.port, protocolOf(flow), context.objects);
    if (port === undefined) return `a pod behind Service ${name} does not have its target port`;
    targets.push({ end, port });
  }
  return targets.length === 0 ? `Service ${name} has no pods behind it` : targets;
}

function targetPort(
  source: Source,
  port: IntOrString,
  protocol: Protocol,
  objects: readonly KubeObject[],
): number | undefined {
  if (typeof port === "number" || source.kind !== "pod") return typeof port === "number" ? port : undefined;
  const pod = objects.find(
    (object) => object.kind === "Pod" && namespaceOf(object) === source.namespace && object.metadata.name === source.name,
  ) as Pod | undefined;
  return pod === undefined ? undefined : resolveTargetPort(pod.spec, port, protocol);
}

function combine(verdicts: readonly OracleVerdict[]): FlowAnswer {
  const reasons = verdicts.map(explainVerdict);
  const allowed = verdicts.every((verdict) => verdict.allowed);
  const open = reasons.find(({ notGradable }) => notGradable !== undefined)?.notGradable;
  const differs =
    !allowed && verdicts.some((verdict) => verdict.allowed)
      ? "the policies allow some of the Service's pods and block others, and which one answers is chance"
      : undefined;
  const notGradable = open ?? differs;
  const why: PolicyReason = {
    allowed,
    lines: [...new Set(reasons.flatMap(({ lines }) => lines))],
    spans: reasons.flatMap(({ spans }) => spans).filter((span, index, all) => all.findIndex((other) => other.file === span.file && other.line === span.line) === index),
    ...(notGradable === undefined ? {} : { notGradable }),
  };
  const isLoopback = verdicts.every((verdict) => verdict.notGradable?.cause === "loopback");
  return notGradable === undefined
    ? { expected: allowed ? "allowed" : "blocked", why, isLoopback }
    : { why, isLoopback };
}

function unknown(reason: string): FlowAnswer {
  return { why: { allowed: false, lines: [reason], spans: [], notGradable: reason }, isLoopback: false };
}

function protocolOf(flow: ProbeFlow): Protocol {
  return flow.protocol === "udp" ? "UDP" : "TCP";
}

function isServiceAt(object: KubeObject, address: string): boolean {
  if (object.kind !== "Service") return false;
  const { clusterIP, clusterIPs } = (object as Service).spec;
  return clusterIP === address || (clusterIPs ?? []).includes(address);
}

function isInAny(cidrs: readonly string[], text: string): boolean {
  const address = parseIp(text);
  if (address === undefined) return false;
  return cidrs.some((cidr) => {
    const block = parseCidr(cidr);
    return block !== undefined && cidrContains(block, address);
  });
}
