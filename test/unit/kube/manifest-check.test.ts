import { describe, expect, test } from "vitest";
import { parseYaml } from "../../../src/core/yaml-source.ts";
import { fieldsOf, kindFacts, knownKinds } from "../../../src/kube/api-fields.ts";
import { checkManifest, type CheckedManifest } from "../../../src/kube/manifest-check.ts";

function check(text: string): CheckedManifest {
  const { documents, problems } = parseYaml(text, "m.yaml");
  expect(problems).toEqual([]);
  return checkManifest(documents, { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10" });
}

const warningsOf = (text: string): string[] => {
  const { problems, warnings } = check(text);
  expect(problems).toEqual([]);
  return warnings.map(({ code, message, span }) => `${code} ${span?.line}:${span?.column} ${message}`);
};

const errorsOf = (text: string): string[] =>
  check(text).problems.map(({ code, span }) => `${code} ${span?.line}:${span?.column}`);

const policy = (spec: string): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: p }
spec: ${spec}
`;

describe("what is right passes", () => {
  test.each([
    ["default deny", "{ podSelector: {}, policyTypes: [Ingress, Egress] }"],
    ["allow all", "{ podSelector: {}, ingress: [{}] }"],
    [
      "ports",
      "{ podSelector: {}, egress: [{ ports: [{ port: 53, protocol: UDP }, { port: dns }, { port: 1000, endPort: 1000 }, { protocol: TCP }] }] }",
    ],
    [
      "blocks",
      "{ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 0.0.0.0/0, except: [10.0.0.0/8] } }, { ipBlock: { cidr: 'fd00::/8' } }] }] }",
    ],
    [
      "selectors",
      "{ podSelector: { matchExpressions: [{ key: a, operator: In, values: [x, ''] }, { key: b, operator: DoesNotExist }] }, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: web } } }] }] }",
    ],
  ])("NetworkPolicy: %s", (_name, spec) => {
    expect(check(policy(spec))).toMatchObject({ problems: [], warnings: [] });
  });

  test("a kind, a name and a label may be words of Object.prototype", () => {
    const text =
      "apiVersion: example.com/v1\nkind: constructor\nmetadata: { name: constructor, labels: { valueOf: x } }\n";
    expect(warningsOf(text)).toEqual(["MANIFEST_NOT_INTERPRETED 2:7 kind constructor is stored but does nothing here"]);
    expect(errorsOf("apiVersion: v1\nkind: __proto__\nmetadata: { name: UP }\n")).toEqual(["MANIFEST_BAD_NAME 3:19"]);
  });

  test("quantities may be numbers, IntOrString either, and unmodelled fields of the API stay", () => {
    const { objects, problems, warnings } = check(`apiVersion: v1
kind: Pod
metadata: { name: web, annotations: { example.com/note: "any Text: at all" } }
spec:
  nodeSelector: { kubernetes.io/hostname: worker1 }
  tolerations: [{ operator: Exists }]
  containers:
    - name: web
      image: nginx
      resources: { limits: { cpu: 1, memory: 64Mi }, requests: { cpu: 0.5 } }
      livenessProbe: { httpGet: { path: /, port: 80 } }
      env: [{ name: A, valueFrom: { fieldRef: { fieldPath: status.podIP } } }]
      volumeMounts: [{ name: tmp, mountPath: /tmp }]
  volumes: [{ name: tmp, emptyDir: { sizeLimit: 1Gi } }]
`);
    expect([problems, warnings]).toEqual([[], []]);
    expect(objects[0]?.object["spec"]).toMatchObject({
      tolerations: [{ operator: "Exists" }],
      volumes: [{ emptyDir: { sizeLimit: "1Gi" } }],
    });
  });

  test("a namespaced object without a namespace is in default; empty documents are skipped; lines are kept", () => {
    const { objects } = check(
      "---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\nkind: Namespace\napiVersion: v1\nmetadata: { name: b }\n",
    );
    expect(objects.map(({ object, line, file }) => [object.metadata.namespace, line, file])).toEqual([
      ["default", 4, "m.yaml"],
      [undefined, 8, "m.yaml"],
    ]);
  });

  test("fields without a value are dropped, as the API server drops them", () => {
    const { objects } = check(policy("{ podSelector: {}, ingress: null, policyTypes: [Ingress] }"));
    expect(objects[0]?.object["spec"]).toEqual({ podSelector: {}, policyTypes: ["Ingress"] });
  });
});

describe("what is right but not modelled or not meant is a warning with its line", () => {
  test("fields that change what can reach what", () => {
    expect(
      warningsOf(`apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  hostNetwork: true
  initContainers: [{ name: init, image: busybox }]
  containers:
    - name: web
      image: nginx
      readinessProbe: { exec: { command: [cat, /ready] } }
      livenessProbe: { exec: { command: [cat, /alive] } }
      startupProbe: { tcpSocket: { port: 80 }, successThreshold: 1 }
      ports:
        - { containerPort: 80, hostPort: 80 }
        - { containerPort: 3868, hostPort: 3868, protocol: SCTP }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  sessionAffinity: ClientIP
  ports: [{ name: http, port: 80 }, { name: diameter, port: 3868, protocol: SCTP }]
`),
    ).toEqual([
      "MANIFEST_NOT_MODELLED 6:3 initContainers is not modelled",
      "MANIFEST_NOT_MODELLED 15:50 a server of an SCTP port is not modelled",
      "MANIFEST_NOT_MODELLED 11:24 a livenessProbe by exec is not modelled",
      "MANIFEST_NOT_MODELLED 10:25 a readinessProbe by exec is not modelled",
    ]);
  });

  test("one pass has to do for liveness and startup", () => {
    expect(
      errorsOf(`apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  containers:
    - name: web
      image: nginx
      livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 }
      startupProbe: { tcpSocket: { port: 80 }, successThreshold: 3 }
      readinessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 }
`),
    ).toEqual(["MANIFEST_BAD_VALUE 8:67", "MANIFEST_BAD_VALUE 9:66"]);
  });

  test("on the node's own network a container's port is the node's", () => {
    expect(
      errorsOf(`apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  hostNetwork: true
  containers: [{ name: web, image: nginx, ports: [{ containerPort: 80, hostPort: 8080 }, { containerPort: 81, hostPort: 0 }] }]
`),
    ).toEqual(["MANIFEST_BAD_PORT 6:82"]);
  });

  test("a kind that is not interpreted is named and kept as it is", () => {
    const { objects, warnings } = check(
      "apiVersion: example.com/v1\nkind: Thing\nmetadata: { name: a }\nspec: { any: [1, null] }\n",
    );
    expect(warnings.map(({ code, message, span }) => [code, message, span?.line])).toEqual([
      ["MANIFEST_NOT_INTERPRETED", "kind Thing is stored but does nothing here", 2],
    ]);
    expect(objects[0]?.object).toEqual({
      apiVersion: "example.com/v1",
      kind: "Thing",
      metadata: { name: "a" },
      spec: { any: [1, null] },
    });
  });

  test("rules without their type, host bits, empty selectors, ports given twice", () => {
    expect(warningsOf(policy("{ podSelector: {}, policyTypes: [Ingress], egress: [] }"))).toEqual([
      "MANIFEST_RULES_IGNORED 4:50 these egress rules have no effect: policyTypes has no Egress",
    ]);
    expect(warningsOf(policy("{ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 10.1.2.3/8 } }] }] }"))).toEqual(
      ["MANIFEST_CIDR_HOST_BITS 4:64 10.1.2.3/8 means 10.0.0.0/8"],
    );
    expect(
      warningsOf(policy("{ podSelector: {}, ingress: [{ from: [{ podSelector: {}, namespaceSelector: }] }] }")),
    ).toEqual(["MANIFEST_NULL_SELECTOR 4:64 namespaceSelector has no value, so the API drops it"]);
    const two =
      "[{ name: a, image: x, ports: [{ containerPort: 80 }] }, { name: b, image: x, ports: [{ containerPort: 80 }] }]";
    expect(warningsOf(`apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: ${two} }\n`)).toEqual([
      expect.stringContaining("MANIFEST_PORT_CONFLICT 4:"),
    ]);
  });
});

describe("a selector without a value never comes to select everything unnoticed", () => {
  test("in a NetworkPolicy's spec", () => {
    expect(errorsOf(policy("{ podSelector: }"))).toEqual(["MANIFEST_MISSING_FIELD 4:9"]);
  });

  test("as the only selector of a peer", () => {
    expect(errorsOf(policy("{ podSelector: {}, ingress: [{ from: [{ podSelector: }] }] }"))).toEqual([
      "MANIFEST_EMPTY_PEER 4:45",
    ]);
  });
});

test("names like those of Object.prototype are unknown fields and kinds", () => {
  expect(errorsOf("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, constructor: b, __proto__: c }\n")).toEqual([
    "MANIFEST_UNKNOWN_FIELD 3:22",
    "MANIFEST_UNKNOWN_FIELD 3:38",
  ]);
  expect(kindFacts("constructor")).toBeUndefined();
});

test("the field table is closed: every type that a kind reaches is in it", () => {
  const seen = new Set<string>();
  const visit = (type: string): void => {
    if (seen.has(type)) return;
    seen.add(type);
    for (const { type: field } of fieldsOf(type).values()) {
      let inner = field;
      while (inner.is === "list" || inner.is === "map") inner = inner.of;
      if (inner.is === "object") visit(inner.type);
    }
  };
  for (const kind of knownKinds()) visit(kindFacts(kind)?.type ?? "");
  expect(seen.size).toBeGreaterThan(100);
});

describe("a Service's families", () => {
  const service = (spec: string): string =>
    `apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { ports: [{ port: 80 }], ${spec} }\n`;
  const messagesOf = (text: string, serviceCidrs: string[]): string[] => {
    const { documents } = parseYaml(text, "m.yaml");
    return checkManifest(documents, { serviceCidrs, dnsAddress: "10.96.0.10" }).problems.map(({ message }) => message);
  };
  const both = ["10.96.0.0/12", "fd00:10:96::/112"];

  test("are those that the cluster has", () => {
    const dual = service("ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]");
    expect(messagesOf(dual, both)).toEqual([]);
    expect(messagesOf(dual, ["10.96.0.0/12"])).toEqual([
      "RequireDualStack, and the cluster has one address family",
      "IPv6, and the cluster has IPv4 alone",
    ]);
    expect(messagesOf(service("ipFamilyPolicy: PreferDualStack"), ["10.96.0.0/12"])).toEqual([]);
    expect(messagesOf(service("ipFamilyPolicy: DualStack"), both)).toEqual([
      'spec.ipFamilyPolicy cannot be "DualStack"',
    ]);
  });

  test("have addresses of the network of each", () => {
    expect(messagesOf(service('clusterIPs: [10.96.0.5, "fd00:10:96::1"]'), both)).toEqual([]);
    expect(messagesOf(service('clusterIPs: [10.96.0.1, "fd00:10:97::5"]'), both)).toEqual([
      "10.96.0.1 belongs to the Service kubernetes",
      "fd00:10:97::5 is not in the service network 10.96.0.0/12, fd00:10:96::/112",
    ]);
    expect(messagesOf(service('clusterIPs: ["fd00:10:96::5"]'), ["10.96.0.0/12"])).toEqual([
      "fd00:10:96::5 is not in the service network 10.96.0.0/12",
    ]);
  });
});
