import fc from "fast-check";
import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../../src/kube/types.ts";
import type { OracleFlow, OraclePod, OracleWorld } from "../../../src/policy/types.ts";

const key = fc.constantFrom("app", "tier");
const value = fc.constantFrom("a", "b", "c");
/** Labels of a pod, a namespace or a node. */
export const labels = fc.dictionary(key, value, { maxKeys: 2 });
const namespaceName = fc.constantFrom("x", "y", "z");
/** Names that pods give to ports. */
export const portName = fc.constantFrom("web", "dns");
/** Protocols of ports. */
export const protocol = fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const);
/** Port numbers. */
export const number = fc.constantFrom(80, 81, 82, 53);

/** Any selector over the few labels that pods here have. */
export const selector: fc.Arbitrary<LabelSelector> = fc.record(
  {
    matchLabels: labels,
    matchExpressions: fc.array(
      fc.oneof(
        fc.record({
          key,
          operator: fc.constantFrom("In" as const, "NotIn" as const),
          values: fc.array(value, { minLength: 1 }),
        }),
        fc.record({ key, operator: fc.constantFrom("Exists" as const, "DoesNotExist" as const) }),
      ),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);

const block = fc.record(
  {
    cidr: fc.constantFrom("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/30", "10.0.0.4/32", "203.0.113.0/24"),
    except: fc.array(fc.constantFrom("10.0.0.1/32", "10.0.0.0/29", "203.0.113.10/32"), { maxLength: 2 }),
  },
  { requiredKeys: ["cidr"] },
);

const peer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ podSelector: selector, namespaceSelector: selector }),
  fc.record({ ipBlock: block }),
);

const port: fc.Arbitrary<NetworkPolicyPort> = fc.oneof(
  fc.record({ protocol, port: fc.oneof(number, portName) }, { requiredKeys: [] }),
  fc.record(
    { protocol, port: fc.constant(80), endPort: fc.constantFrom(80, 81) },
    { requiredKeys: ["port", "endPort"] },
  ),
);

const ingressRule = fc.record(
  { from: fc.array(peer, { maxLength: 3 }), ports: fc.array(port, { maxLength: 2 }) },
  { requiredKeys: [] },
);
const egressRule = fc.record(
  { to: fc.array(peer, { maxLength: 3 }), ports: fc.array(port, { maxLength: 2 }) },
  { requiredKeys: [] },
);

/** Any policy that the API server would take. */
export const policy: fc.Arbitrary<NetworkPolicy> = fc
  .record({
    namespace: namespaceName,
    spec: fc.record(
      {
        podSelector: selector,
        policyTypes: fc.subarray(["Ingress" as const, "Egress" as const]),
        ingress: fc.array(ingressRule, { maxLength: 2 }),
        egress: fc.array(egressRule, { maxLength: 2 }),
      },
      { requiredKeys: ["podSelector"] },
    ),
  })
  .map(({ namespace, spec }) => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy" as const,
    metadata: { namespace, name: "p" },
    spec,
  }));

const pod: fc.Arbitrary<Omit<OraclePod, "name" | "addresses">> = fc.record({
  namespace: namespaceName,
  labels,
  ports: fc.array(fc.record({ name: portName, containerPort: number, protocol }), { maxLength: 2 }),
});

/** A small world with every sort of selector, peer and port in it. */
export const world: fc.Arbitrary<OracleWorld> = fc
  .record({
    namespaceLabels: fc.record({ x: labels, y: labels, z: labels }),
    pods: fc.array(pod, { minLength: 2, maxLength: 6 }),
    policies: fc.array(policy, { maxLength: 4 }),
  })
  .map(({ namespaceLabels, pods, policies }) => ({
    namespaces: Object.entries(namespaceLabels).map(([name, ofNamespace]) => ({ name, labels: ofNamespace })),
    pods: pods.map((each, index) => ({ ...each, name: `p${index}`, addresses: [`10.0.0.${index + 1}`] })),
    policies: policies.map((each) => ({ policy: each })),
  }));

/** The address outside the cluster that flows of {@link flowsOf} use. */
export const OUTSIDE_ADDRESS = "203.0.113.10";

/** Every flow between pods, and from and to outside and nodes, on a few ports of TCP, UDP and SCTP. */
export function flowsOf({ pods, nodes = [] }: OracleWorld): OracleFlow[] {
  const ends = [
    ...pods.map(({ namespace, name }) => ({ kind: "pod" as const, namespace, name })),
    ...[OUTSIDE_ADDRESS, ...nodes.flatMap(({ addresses }) => addresses)].map((address) => ({
      kind: "address" as const,
      address,
    })),
  ];
  const ports = [
    { port: 80, protocol: "TCP" as const },
    { port: 81, protocol: "TCP" as const },
    { port: 82, protocol: "TCP" as const },
    { port: 53, protocol: "UDP" as const },
    { port: 81, protocol: "SCTP" as const },
  ];
  return ends.flatMap((from) =>
    ends.filter((to) => to !== from).flatMap((to) => ports.map((each) => ({ from, to, ...each }))),
  );
}
