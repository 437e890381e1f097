import { LabError } from "../../core/errors.ts";
import { NODE_PORTS } from "../../kube/service-rules.ts";
import type { Service, ServicePort } from "../../kube/types.ts";
import { fnv1a } from "../seeded-random.ts";
import { describe } from "../store/object-parts.ts";
import type { AdmissionRule, ObjectStore } from "../store/store.ts";
import { FieldError } from "./field-error.ts";

/** Size of the part that only asked-for ports are taken from while there are others (KEP-3668): 1/32 of the range. */
const STATIC_BAND = 86;

/**
 * Gives Services of type NodePort and LoadBalancer their node ports, or refuses the one asked for (NODE_PORT_TAKEN,
 * NODE_PORT_OUT_OF_RANGE, NODE_PORTS_EXHAUSTED), and takes them from a Service that is of another type now. As with
 * addresses, a port that nobody asked for depends on the Service's name: the same lab gets the same ones each run.
 */
export const nodePorts: AdmissionRule = (draft, { operation, key, store }) => {
  if (operation === "delete" || key !== "Service") return;
  const { spec } = draft as Service;
  if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") {
    for (const port of spec.ports ?? []) delete port.nodePort;
    delete spec["externalTrafficPolicy"];
    delete spec.healthCheckNodePort;
    return;
  }
  assign(draft as Service, store);
};

/** A load balancer that keeps callers' addresses asks each node at this port whether it has an endpoint. */
function assignHealthCheck(service: Service, taken: Map<string, string>): void {
  const { spec } = service;
  if (spec.type !== "LoadBalancer" || spec["externalTrafficPolicy"] !== "Local") {
    delete spec.healthCheckNodePort;
    return;
  }
  const asked = { port: 0, nodePort: spec.healthCheckNodePort ?? 0 };
  if (asked.nodePort === 0) spec.healthCheckNodePort = free(service, asked, taken);
  else check(service, "spec.healthCheckNodePort", asked, taken);
}

function assign(service: Service, store: ObjectStore): void {
  const taken = takenPorts(store, service);
  const ports = service.spec.ports ?? [];
  for (const [index, port] of ports.entries()) {
    if (port.nodePort === undefined || port.nodePort === 0) continue;
    check(service, `spec.ports[${index}].nodePort`, port, taken);
    taken.set(keyOf(port.nodePort, port), describe(service));
  }
  const wantsPorts = service.spec.type === "NodePort" || service.spec["allocateLoadBalancerNodePorts"] !== false;
  for (const port of wantsPorts ? ports : []) {
    if (port.nodePort !== undefined && port.nodePort !== 0) continue;
    // DNS over UDP and TCP: one number for both, where it is free.
    const twin = ports.find((other) => other !== port && other.port === port.port && (other.nodePort ?? 0) !== 0);
    const shared = twin?.nodePort;
    port.nodePort = shared !== undefined && !taken.has(keyOf(shared, port)) ? shared : free(service, port, taken);
    taken.set(keyOf(port.nodePort, port), describe(service));
  }
  assignHealthCheck(service, taken);
}

function keyOf(nodePort: number, { protocol = "TCP" }: ServicePort): string {
  return `${nodePort}/${protocol}`;
}

function takenPorts(store: ObjectStore, except: Service): Map<string, string> {
  const taken = new Map<string, string>();
  for (const service of store.list("Service")) {
    const { namespace, name } = service.metadata;
    if (name === except.metadata.name && namespace === except.metadata.namespace) continue;
    for (const port of service.spec.ports ?? [])
      if (port.nodePort !== undefined) taken.set(keyOf(port.nodePort, port), describe(service));
    const { healthCheckNodePort } = service.spec;
    if (healthCheckNodePort !== undefined) taken.set(`${healthCheckNodePort}/TCP`, describe(service));
  }
  return taken;
}

/** @param field path of the number in the Service */
function check(service: Service, field: string, port: ServicePort, taken: ReadonlyMap<string, string>): void {
  const { nodePort = 0 } = port;
  if (nodePort < NODE_PORTS.first || nodePort > NODE_PORTS.last) {
    const range = `${NODE_PORTS.first}-${NODE_PORTS.last}`;
    throw new FieldError(
      "NODE_PORT_OUT_OF_RANGE",
      `${describe(service)}: nodePort ${nodePort} is outside the range ${range}`,
      {
        field,
        value: nodePort,
        detail: `provided port is not in the valid range. The range of valid ports is ${range}`,
      },
    );
  }
  const owner = taken.get(keyOf(nodePort, port));
  if (owner !== undefined)
    throw new FieldError(
      "NODE_PORT_TAKEN",
      `${describe(service)}: nodePort ${nodePort} belongs to ${owner}`,
      { field, value: nodePort, detail: "provided port is already allocated" },
      { hint: "leave nodePort out to get a free one" },
    );
}

function free(service: Service, port: ServicePort, taken: ReadonlyMap<string, string>): number {
  const size = NODE_PORTS.last - NODE_PORTS.first + 1;
  const dynamic = size - STATIC_BAND;
  const start = fnv1a(`${service.metadata.namespace}/${service.metadata.name}/${port.port}`);
  for (let index = 0; index < size; index += 1) {
    const offset = index < dynamic ? STATIC_BAND + ((start + index) % dynamic) : index - dynamic;
    if (!taken.has(keyOf(NODE_PORTS.first + offset, port))) return NODE_PORTS.first + offset;
  }
  throw new LabError("NODE_PORTS_EXHAUSTED", `${describe(service)}: all ${size} node ports are taken`);
}
