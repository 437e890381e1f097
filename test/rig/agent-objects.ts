const image = "registry.k8s.io/e2e-test-images/agnhost:2.53";

function pod(namespace: string, name: string, node: string | undefined, args: string[], extra: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "agnhost", image, args, imagePullPolicy: "Never" }],
      ...extra,
    },
  };
}

/** What the agents' conformance test works on: servers on one node, clients on another, one server that a policy closes. */
export function agentObjects(namespace: string, [first, second = first]: readonly string[]): object[] {
  const serving = ["netexec", "--http-port=8080", "--udp-port=8081"];
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    pod(namespace, "server", second, serving),
    pod(namespace, "closed", second, serving),
    pod(namespace, "client", first, ["pause"]),
    pod(namespace, "friend", second, ["pause"]),
    pod(namespace, "victim", first, ["pause"]),
    pod(namespace, "host-client", first, ["pause"], { hostNetwork: true }),
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "server", namespace },
      spec: { selector: { app: "server" }, ports: [{ port: 8080 }] },
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "closed", namespace },
      spec: {
        podSelector: { matchLabels: { app: "closed" } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "friend" } } }] }],
      },
    },
  ];
}
