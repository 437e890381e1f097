import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";

const IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53";

function deployment(namespace: string, name: string): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [{ name, image: IMAGE, args: ["netexec", "--http-port=8080"], ports: [{ containerPort: 8080 }] }],
        },
      },
    },
  };
}

function objectsIn(namespace: string): object[] {
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    deployment(namespace, "web"),
    deployment(namespace, "guest"),
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "nobody-calls-guests", namespace },
      spec: { podSelector: { matchLabels: { app: "guest" } }, policyTypes: ["Ingress"] },
    },
  ];
}

/** Writes a lab, of one node by default, that passes as it is, one cell of it blocked; returns its folder. */
export function writeSmallLab(
  parent: string,
  name: string,
  {
    cluster = {},
    namespace = "shop",
    topology = "one-node",
    cni = { name: "calico", mode: "vxlan" },
    more = [],
  }: {
    cluster?: object;
    namespace?: string;
    topology?: string | object;
    cni?: object;
    more?: readonly object[];
  } = {},
): string {
  const folder = join(parent, name);
  mkdirSync(folder, { recursive: true });
  const objects = [...objectsIn(namespace), ...more];
  writeFileSync(join(folder, "objects.yaml"), objects.map((object) => stringify(object)).join("---\n"));
  const available = (deployed: string): object => ({
    wait: { for: `deployment/${deployed}`, namespace, condition: "available", timeout: "60s" },
  });
  const lab = {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "Lab",
    metadata: { name, title: "A node", level: "starter", minutes: 1 },
    topology,
    cni,
    cnis: ["calico"],
    ...(Object.keys(cluster).length === 0 ? {} : { cluster }),
    scenario: [{ apply: "objects.yaml" }, available("web"), available("guest")],
    probes: [
      { name: "as the policies say", matrix: { pods: `${namespace}/*`, ports: ["8080/tcp"] }, expect: "policy" },
    ],
  };
  writeFileSync(join(folder, "lab.yaml"), stringify(lab));
  return folder;
}
