import { parseAllDocuments } from "yaml";
import type { KubeObject, Pod } from "../../../src/kube/types.ts";
import type { Plan, PlannedObject, PlannedStep, PlannedTask } from "../../../src/plan/types.ts";

/** Objects of a manifest's text, each with the line its document starts at. */
export function manifest(file: string, text: string): PlannedObject[] {
  return parseAllDocuments(text).map((document) => ({
    object: document.toJS() as KubeObject,
    file,
    line: text.slice(0, document.contents?.range?.[0] ?? 0).split("\n").length,
  }));
}

/** A step of any kind with objects. */
export function step(kind: string, objects: PlannedObject[] = [], options: unknown = {}): PlannedStep {
  return { kind, options, objects };
}

/** A task whose solution is these objects. */
export function task(solution: PlannedObject[]): PlannedTask {
  return { name: "task-1", text: "do it", probes: [], solution };
}

/** A plan of two workers with only what matters to the reference. */
export function planOf(scenario: PlannedStep[], tasks: PlannedTask[] = []): Plan {
  const worker = (name: string, address: string): Plan["topology"]["nodes"][number] => ({
    name,
    role: "worker",
    labels: {},
    taints: [],
    interfaces: [{ name: "eth0", network: "nodes", addresses: [address], prefixLengths: [24], mtu: 1500 }],
  });
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    lab: { name: "lab", title: "Lab", file: "lab.yaml", directory: "." },
    provider: "netns",
    topology: {
      name: "two-workers",
      networks: [{ name: "nodes", subnets: ["192.168.0.0/24"], gateways: ["192.168.0.1"], mtu: 1500 }],
      nodes: [worker("worker1", "192.168.0.11"), worker("worker2", "192.168.0.12")],
    },
    cni: { name: "calico", mode: "vxlan", podCidrs: ["10.244.0.0/16"], mtu: 1450, enforcesPolicy: true, options: {} },
    cluster: { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" },
    scenario,
    probes: [],
    tasks,
  };
}

/** A running pod. */
export function livePod(name: string, address: string, labels: Record<string, string>, owner?: [string, string]): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace: "shop",
      name,
      labels,
      ...(owner === undefined ? {} : { ownerReferences: [controller(owner)] }),
    },
    spec: { nodeName: "worker1", containers: [{ name: "c", image: "i", ports: [{ containerPort: 9999 }] }] },
    status: { phase: "Running", podIPs: [{ ip: address }] },
  };
}

/** A ReplicaSet that a Deployment owns. */
export function replicaSet(name: string, deployment: string): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { namespace: "shop", name, ownerReferences: [controller(["Deployment", deployment])] },
  };
}

function controller([kind, name]: [string, string]): NonNullable<KubeObject["metadata"]["ownerReferences"]>[number] {
  return { apiVersion: "apps/v1", kind, name, uid: `uid-${name}`, controller: true };
}
