import fc from "fast-check";
import type {
  AdminPeer,
  AdminPolicy,
  AdminPort,
  AdminProtocol,
  AdminRule,
} from "../../../src/kube/admin-policy-types.ts";
import type { OracleWorld } from "../../../src/policy/types.ts";
import { labels, number, portName, protocol, selector, world } from "./arbitrary-world.ts";

const podPeer: fc.Arbitrary<AdminPeer> = fc.oneof(
  fc.record({ namespaces: selector }),
  fc.record({ pods: fc.record({ namespaceSelector: selector, podSelector: selector }) }),
);

const addressPeer: fc.Arbitrary<AdminPeer> = fc.oneof(
  fc.record({ nodes: selector }),
  fc.record({
    networks: fc.uniqueArray(
      fc.constantFrom("0.0.0.0/0", "10.0.0.0/30", "10.0.0.4/32", "203.0.113.0/24", "192.168.0.0/16"),
      { minLength: 1, maxLength: 2 },
    ),
  }),
);

const plainPort: fc.Arbitrary<AdminPort> = fc.oneof(
  fc.record({ portNumber: fc.record({ protocol, port: number }, { requiredKeys: ["port"] }) }),
  fc.record({ portRange: fc.constantFrom({ start: 80, end: 81 }, { protocol: "UDP" as const, start: 50, end: 60 }) }),
);
const anyPort: fc.Arbitrary<AdminPort> = fc.oneof(plainPort, fc.record({ namedPort: portName }));

const action = fc.constantFrom("Allow" as const, "Deny" as const, "Pass" as const);
const final = fc.constantFrom("Allow" as const, "Deny" as const);

const optional = { requiredKeys: ["action" as const] };

function rulesOf(direction: "ingress" | "egress", what: fc.Arbitrary<AdminRule["action"]>): fc.Arbitrary<AdminRule[]> {
  const peers = (peer: fc.Arbitrary<AdminPeer>) => fc.array(peer, { minLength: 1, maxLength: 2 });
  const ports = (port: fc.Arbitrary<AdminPort>) => fc.array(port, { minLength: 1, maxLength: 2 });
  const toPods = fc.record({ action: what, ports: ports(anyPort) }, optional);
  if (direction === "ingress") {
    return fc.array(
      fc.tuple(toPods, peers(podPeer)).map(([rule, from]): AdminRule => ({ ...rule, from })),
      { maxLength: 3 },
    );
  }
  // A rule with networks or nodes has no named ports.
  const toAddresses = fc.record({ action: what, ports: ports(plainPort) }, optional);
  return fc.array(
    fc
      .oneof(fc.tuple(toPods, peers(podPeer)), fc.tuple(toAddresses, peers(fc.oneof(podPeer, addressPeer))))
      .map(([rule, to]): AdminRule => ({ ...rule, to })),
    { maxLength: 3 },
  );
}

const subject = fc.oneof(
  fc.record({ namespaces: selector }),
  fc.record({ pods: fc.record({ namespaceSelector: selector, podSelector: selector }) }),
);

/** Any rules of the Admin tier in one direction. */
export const ingressRules: fc.Arbitrary<AdminRule[]> = rulesOf("ingress", action);

const adminSpec = fc.record({
  priority: fc.integer({ min: 0, max: 3 }),
  subject,
  ingress: ingressRules,
  egress: rulesOf("egress", action),
});
const baselineSpec = fc.record({ subject, ingress: rulesOf("ingress", final), egress: rulesOf("egress", final) });

/** A world with cluster-wide policies of the Admin tier, sometimes a baseline, and two nodes. */
export const adminWorld: fc.Arbitrary<OracleWorld & { adminPolicies: { policy: AdminPolicy }[] }> = fc
  .record({
    of: world,
    admin: fc.array(adminSpec, { maxLength: 3 }),
    baseline: fc.option(baselineSpec),
    nodeLabels: fc.array(labels, { minLength: 2, maxLength: 2 }),
  })
  .map(({ of, admin, baseline, nodeLabels }) => ({
    ...of,
    nodes: nodeLabels.map((each, at) => ({ name: `n${at}`, addresses: [`192.168.0.${at + 1}`], labels: each })),
    adminPolicies: [
      ...admin.map((spec, at): AdminPolicy => adminPolicy(`a${at}`, spec)),
      ...(baseline === null ? [] : [baselinePolicy(baseline)]),
    ].map((policy) => ({ policy })),
  }));

/** An AdminNetworkPolicy. */
export function adminPolicy(name: string, spec: AdminPolicy["spec"]): AdminPolicy {
  return { apiVersion: "policy.networking.k8s.io/v1alpha1", kind: "AdminNetworkPolicy", metadata: { name }, spec };
}

/** The BaselineAdminNetworkPolicy. */
export function baselinePolicy(spec: AdminPolicy["spec"]): AdminPolicy {
  const kind = "BaselineAdminNetworkPolicy";
  return { apiVersion: "policy.networking.k8s.io/v1alpha1", kind, metadata: { name: "default" }, spec };
}

/** The same policy as a ClusterNetworkPolicy of v1alpha2. */
export function asClusterPolicy({ kind, metadata, spec }: AdminPolicy): AdminPolicy {
  const translate = (rules: AdminRule[] = []): AdminRule[] =>
    rules.map(({ ports, action: what, ...rule }) => ({
      ...rule,
      action: what === "Allow" ? "Accept" : what,
      ...(ports === undefined ? {} : { protocols: ports.map(asProtocol) }),
    }));
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata,
    spec: {
      tier: kind === "AdminNetworkPolicy" ? "Admin" : "Baseline",
      priority: spec.priority ?? 0,
      subject: spec.subject,
      ingress: translate(spec.ingress),
      egress: translate(spec.egress),
    },
  };
}

function asProtocol({ portNumber, portRange, namedPort }: AdminPort): AdminProtocol {
  if (namedPort !== undefined) return { destinationNamedPort: namedPort };
  const name = (portNumber?.protocol ?? portRange?.protocol ?? "TCP").toLowerCase() as "tcp" | "udp" | "sctp";
  if (portNumber !== undefined) return { [name]: { destinationPort: { number: portNumber.port } } };
  return { [name]: { destinationPort: { range: { start: portRange?.start ?? 0, end: portRange?.end ?? 0 } } } };
}
