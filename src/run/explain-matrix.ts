import { LabError } from "../core/errors.ts";
import type { Protocol } from "../kube/types.ts";
import type { ClassEnd, EndClass } from "../policy/classes.ts";
import { compileAdminPolicies } from "../policy/compile-admin.ts";
import { createPolicyMatrix, type PolicyMatrix } from "../policy/matrix.ts";
import { policyName } from "../policy/oracle.ts";
import type { OraclePod } from "../policy/types.ts";
import type { ExplainedClass, ExplainedMatrix } from "../report/explain-types.ts";
import type { RunContext } from "./context.ts";
import { describeSource } from "./explain-lab.ts";
import { readSource, type SourceRequest } from "./explain-source.ts";
import { modelWorld, type PolicyModel } from "./explain-world.ts";

/** Every pair of pods of a lab or a folder of manifests. */
export interface MatrixRequest extends SourceRequest {
  ports: readonly MatrixPort[];
  /** Addresses outside the cluster that are ends, too. */
  addresses: readonly string[];
}

export interface MatrixPort {
  port: number;
  protocol: Protocol;
}

/** Ports shown where none are named; more would not be read. */
const MAX_PORTS = 8;

/** What policies say of every pair, by classes of pods that no policy tells apart. Throws what readSource throws. */
export async function explainAll(request: MatrixRequest, context: RunContext): Promise<ExplainedMatrix> {
  const source = await readSource(request, context);
  for (const warning of source.warnings) context.emit({ type: "warning", warning });
  const model = modelWorld(source);
  const ends = endsOf(model, request.addresses);
  const matrix = createPolicyMatrix(model.world, ends, familyOf(ends));
  const { ports, portsLeftOut } = portsOf(request.ports, [model]);
  const adminNames = compileAdminPolicies(model.world).map(({ placed }) => policyName(placed));
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "PolicyMatrix",
    source: describeSource(source, model),
    hostNetworkPods: model.world.pods.length - ends.length + request.addresses.length,
    classes: matrix.classes.map((each) => describeClass(each, matrix, model, adminNames)),
    ports: ports.map(({ port, protocol }) => {
      const on = matrix.on(port, protocol);
      const rows = matrix.classes.map((_from, from) =>
        matrix.classes.map((_to, to) => (on.allowsClass(from, to) ? "1" : "0")).join(""),
      );
      return { port, protocol, allowed: on.countAllowed(), pairs: ends.length * (ends.length - 1), rows };
    }),
    portsLeftOut,
  };
}

/** The pods that policies can see, then the addresses. Throws USAGE_NO_PODS where there is no pod. */
export function endsOf({ world }: PolicyModel, addresses: readonly string[]): ClassEnd[] {
  const pods = world.pods.filter(({ hostNetwork }) => hostNetwork !== true).map((pod): ClassEnd => ({ pod }));
  if (pods.length === 0) {
    throw new LabError("USAGE_NO_PODS", "there is no pod and no workload under policy to make pairs of", {
      hint: "name a folder that has the pods or workloads as well as the policies",
    });
  }
  return [...pods, ...addresses.map((address): ClassEnd => ({ address }))];
}

/** Flows are of the family of the first pod that has an address. */
export function familyOf(ends: readonly ClassEnd[]): 4 | 6 {
  const first = ends.find((end) => "pod" in end && end.pod.addresses.length > 0);
  return first !== undefined && "pod" in first && first.pod.addresses[0]?.includes(":") === true ? 6 : 4;
}

/** The ports named; else those that pods declare and rules name, the most frequent ones, in order. */
export function portsOf(
  named: readonly MatrixPort[],
  models: readonly PolicyModel[],
): { ports: MatrixPort[]; portsLeftOut: number } {
  if (named.length > 0) return { ports: [...named], portsLeftOut: 0 };
  const counts = new Map<string, { port: MatrixPort; count: number }>();
  const count = (port: number, protocol: Protocol): void => {
    const key = `${port}/${protocol}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { port: { port, protocol }, count: 1 });
    else known.count++;
  };
  for (const { world } of models) {
    for (const { ports } of world.pods) for (const { containerPort, protocol } of ports) count(containerPort, protocol);
    for (const { policy } of world.policies) {
      for (const rule of [...(policy.spec.ingress ?? []), ...(policy.spec.egress ?? [])]) {
        for (const { port, protocol = "TCP" } of rule.ports ?? []) if (typeof port === "number") count(port, protocol);
      }
    }
    for (const { egress, ingress } of compileAdminPolicies(world)) {
      for (const { ports = [] } of [...egress, ...ingress]) {
        for (const { port, protocol } of ports) {
          if (port !== undefined && "from" in port && port.from === port.to) count(port.from, protocol);
        }
      }
    }
  }
  if (counts.size === 0) count(80, "TCP");
  const ranked = [...counts.values()].toSorted((a, b) => b.count - a.count).map(({ port }) => port);
  const ports = ranked.slice(0, MAX_PORTS).toSorted((a, b) => a.port - b.port || a.protocol.localeCompare(b.protocol));
  return { ports, portsLeftOut: Math.max(0, ranked.length - MAX_PORTS) };
}

/** `shop/web`, or an address. */
export function nameOfEnd(end: ClassEnd): string {
  return "pod" in end ? nameOfPod(end.pod) : end.address;
}

function nameOfPod({ namespace, name }: OraclePod): string {
  return `${namespace}/${name}`;
}

function describeClass(
  { members, egress, ingress, admin }: EndClass,
  { ends }: PolicyMatrix,
  { world }: PolicyModel,
  adminNames: readonly string[],
): ExplainedClass {
  const names = (numbers: readonly number[]): string[] =>
    numbers.flatMap((number) => world.policies.slice(number, number + 1).map(policyName));
  return {
    pods: members.map((member) => nameOfEnd(ends[member] as ClassEnd)),
    egressIsolatedBy: names(egress),
    ingressIsolatedBy: names(ingress),
    ...(admin.length === 0 ? {} : { adminPolicies: admin.map((number) => adminNames[number] as string) }),
  };
}
