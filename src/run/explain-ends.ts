import { LabError } from "../core/errors.ts";
import { parseIp } from "../core/ip.ts";
import { didYouMean } from "../core/suggest.ts";
import { resolveTargetPort } from "../kube/pods.ts";
import { matchesLabels } from "../kube/selectors.ts";
import { clusterIps, serviceAt } from "../kube/workloads.ts";
import type { PodSpec, Protocol, Service } from "../kube/types.ts";
import { parseEndpointRef } from "../lab/refs.ts";
import type { OracleEnd, OraclePod } from "../policy/types.ts";
import type { PolicyModel } from "./explain-world.ts";
import { namespaceOf } from "./reference-objects.ts";

const FORMS = "NAMESPACE/POD, NAMESPACE/deployment/NAME, NAMESPACE/KEY=VALUE, node/NAME or an IP address";

/** Where a flow goes: its ends with the port that each is reached on. */
export interface ResolvedTarget {
  port: number;
  protocol: Protocol;
  targets: { end: OracleEnd; port: number }[];
  /** The Service that was named; its port is translated to each pod's. */
  service?: { name: string; addresses: string[] };
}

/** FROM and TO:PORT/PROTO as the model knows them. Throws LabProblems-ready errors one by one: {@link LabError}. */
export function resolveFrom(text: string, model: PolicyModel): OracleEnd[] {
  return endsOf(text, model, false).map(asEnd);
}

/** Reads `END:PORT[/PROTOCOL]`, an IPv6 address in brackets. Throws USAGE_BAD_FLOW, USAGE_UNKNOWN_END, LAB_BAD_REF. */
export function resolveTo(text: string, model: PolicyModel): ResolvedTarget {
  const match = /^(.+):(\d{1,5})(?:\/([a-z]+))?$/i.exec(text);
  const port = Number(match?.[2]);
  const protocol = (match?.[3] ?? "tcp").toUpperCase();
  if (match === null || port < 1 || port > 65_535 || !isProtocol(protocol)) {
    throw new LabError("USAGE_BAD_FLOW", `${JSON.stringify(text)} is no destination with a port`, {
      hint: "write TO:PORT/PROTO, such as shop/db:5432/tcp or [fd00::1]:53/udp; protocols: tcp, udp, sctp",
    });
  }
  const written = match[1] as string;
  const name = /^\[.*\]$/.test(written) ? written.slice(1, -1) : written;
  const found = endsOf(name, model, true);
  const [first] = found;
  if (first?.kind !== "service") {
    return { port, protocol, targets: found.map((each) => ({ end: asEnd(each), port })) };
  }
  return throughService(first.service, port, protocol, model);
}

function isProtocol(text: string): text is Protocol {
  return text === "TCP" || text === "UDP" || text === "SCTP";
}

type Found = { kind: "pod"; pod: OraclePod } | { kind: "service"; service: Service } | OtherFound;
type OtherFound = { kind: "other"; end: OracleEnd };

function asEnd(found: Found): OracleEnd {
  if (found.kind === "pod") return { kind: "pod", namespace: found.pod.namespace, name: found.pod.name };
  if (found.kind === "other") return found.end;
  throw new LabError("USAGE_UNKNOWN_END", `${namespaceOf(found.service)}/${found.service.metadata.name} is a Service`, {
    hint: `a flow comes from a pod or an address: ${FORMS}`,
  });
}

function endsOf(text: string, model: PolicyModel, isDestination: boolean): Found[] {
  const slash = text.indexOf("/");
  if (slash > 0 && text.indexOf("=") > slash) return podsByLabel(text.slice(0, slash), text.slice(slash + 1), model);
  const address = parseIp(text);
  if (address !== undefined) {
    const service = isDestination ? serviceAt(model.services, text) : undefined;
    return [
      service === undefined ? { kind: "other", end: { kind: "address", address: text } } : { kind: "service", service },
    ];
  }
  const ref = parseEndpointRef(text);
  switch (ref.kind) {
    case "pod":
      return podOrNamesake(ref.namespace, ref.name, model, isDestination);
    case "workload":
      return podsOf(`${ref.namespace}/${ref.workload}/${ref.name}`, model);
    case "service": {
      const service = serviceNamed(ref.namespace, ref.name, model);
      if (service === undefined)
        throw unknown(`Service ${ref.namespace}/${ref.name}`, `${ref.namespace}/${ref.name}`, serviceNames(model));
      return [{ kind: "service", service }];
    }
    case "node":
      if ((model.world.nodes ?? []).some(({ name }) => name === ref.name)) return [{ kind: "other", end: ref }];
      throw unknown(
        `node ${ref.name}`,
        ref.name,
        (model.world.nodes ?? []).map(({ name }) => name),
      );
    case "address":
      return [{ kind: "other", end: ref }];
    case "external":
    case "host":
      throw new LabError("USAGE_UNKNOWN_END", `${JSON.stringify(text)} names neither a pod nor an address`, {
        hint: FORMS,
      });
  }
}

/** `shop/web` is the pod of that name; else the workload, else, as a destination, the Service. */
function podOrNamesake(namespace: string, name: string, model: PolicyModel, isDestination: boolean): Found[] {
  const pod = model.world.pods.find((each) => each.namespace === namespace && each.name === name);
  if (pod !== undefined) return [{ kind: "pod", pod }];
  for (const kind of [
    "deployment",
    "statefulset",
    "daemonset",
    "replicaset",
    "job",
    "cronjob",
    "replicationcontroller",
  ]) {
    const pods = model.workloads.get(`${namespace}/${kind}/${name}`);
    if (pods !== undefined) return pods.map((each) => ({ kind: "pod", pod: each }));
  }
  const service = isDestination ? serviceNamed(namespace, name, model) : undefined;
  if (service !== undefined) return [{ kind: "service", service }];
  throw unknown(`pod or workload ${namespace}/${name}`, `${namespace}/${name}`, podNames(model));
}

function podsOf(key: string, model: PolicyModel): Found[] {
  const pods = model.workloads.get(key);
  if (pods === undefined) throw unknown(key, key, model.workloads.keys());
  return pods.map((pod) => ({ kind: "pod", pod }));
}

function podsByLabel(namespace: string, text: string, model: PolicyModel): Found[] {
  const wanted = Object.fromEntries(
    text.split(",").map((part): [string, string] => {
      const equals = part.indexOf("=");
      if (equals < 1) {
        throw new LabError("USAGE_BAD_FLOW", `${JSON.stringify(part)} is no label`, {
          hint: "write NAMESPACE/KEY=VALUE[,KEY=VALUE], such as shop/app=web",
        });
      }
      return [part.slice(0, equals), part.slice(equals + 1)];
    }),
  );
  const inNamespace = model.world.pods.filter((pod) => pod.namespace === namespace);
  const pods = inNamespace.filter(({ labels }) => matchesLabels(wanted, labels));
  if (pods.length > 0) return pods.map((pod) => ({ kind: "pod", pod }));
  const labels = new Set(
    inNamespace.flatMap((pod) => Object.entries(pod.labels).map(([key, value]) => `${key}=${value}`)),
  );
  if (labels.size === 0)
    throw unknown(`pod in namespace ${namespace}`, namespace, new Set(model.world.pods.map((pod) => pod.namespace)));
  throw unknown(`pod with ${text} in namespace ${namespace}`, text, labels);
}

/** kube-proxy sends what comes to a Service to one of its pods, on the target port: policies see that flow. */
function throughService(service: Service, port: number, protocol: Protocol, model: PolicyModel): ResolvedTarget {
  const name = `${namespaceOf(service)}/${service.metadata.name}`;
  const { selector, ports = [] } = service.spec;
  const servicePort = ports.find((each) => each.port === port && (each.protocol ?? "TCP") === protocol);
  if (servicePort === undefined) {
    throw new LabError("USAGE_UNKNOWN_END", `Service ${name} has no port ${port}/${protocol}`, {
      hint: `it has ${ports.map((each) => `${each.port}/${each.protocol ?? "TCP"}`).join(", ") || "no port at all"}`,
    });
  }
  if (selector === undefined || Object.keys(selector).length === 0) {
    throw new LabError(
      "USAGE_UNKNOWN_END",
      `Service ${name} has no selector, so that its endpoints are not known here`,
      {
        hint: "name the address of an endpoint",
      },
    );
  }
  const pods = model.world.pods.filter(
    (pod) => pod.namespace === namespaceOf(service) && matchesLabels(selector, pod.labels),
  );
  const targets = pods.flatMap((pod) => {
    const number = resolveTargetPort(specOf(pod), servicePort.targetPort ?? port, protocol);
    return number === undefined ? [] : [{ end: asEnd({ kind: "pod", pod }), port: number }];
  });
  if (targets.length === 0) {
    const why =
      pods.length === 0 ? "selects no pod" : `has target port ${servicePort.targetPort}, which none of its pods names`;
    throw new LabError("USAGE_UNKNOWN_END", `Service ${name} ${why}`, {
      hint: `its selector is ${Object.entries(selector)
        .map(([key, value]) => `${key}=${value}`)
        .join(",")}`,
    });
  }
  return { port, protocol, targets, service: { name, addresses: clusterIps(service) } };
}

/** As much of a pod's spec as port names need. */
function specOf({ ports }: OraclePod): PodSpec {
  const named = ports.map(({ name, containerPort, protocol }) => ({
    containerPort,
    protocol,
    ...(name === undefined ? {} : { name }),
  }));
  return { containers: [{ name: "", image: "", ports: named }] };
}

function serviceNamed(namespace: string, name: string, model: PolicyModel): Service | undefined {
  return model.services.find((each) => namespaceOf(each) === namespace && each.metadata.name === name);
}

function serviceNames({ services }: PolicyModel): string[] {
  return services.map((each) => `${namespaceOf(each)}/${each.metadata.name}`);
}

function podNames({ world, workloads, services }: PolicyModel): Set<string> {
  const names = [...workloads.keys()].map((key) => key.replace(/\/[a-z]+\//, "/"));
  return new Set([
    ...names,
    ...world.pods.map((pod) => `${pod.namespace}/${pod.name}`),
    ...serviceNames({ services } as PolicyModel),
  ]);
}

function unknown(what: string, written: string, known: Iterable<string>): LabError {
  return new LabError("USAGE_UNKNOWN_END", `there is no ${what}`, { hint: didYouMean(written, known) ?? FORMS });
}
