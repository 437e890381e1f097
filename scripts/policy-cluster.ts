import type { NetworkPolicy } from "../src/kube/types.ts";

/** A generated cluster: pods of twenty apps in namespaces of teams, with policies as clusters have them. */
export interface GeneratedCluster {
  namespaces: { name: string; labels: Record<string, string> }[];
  pods: GeneratedPod[];
  policies: NetworkPolicy[];
}

export interface GeneratedPod {
  namespace: string;
  name: string;
  labels: Record<string, string>;
  ip: string;
  port: { name: string; containerPort: number; protocol: "TCP" };
}

const apps = 20;

/** Always the same for the same numbers. Every pod has a label of its own. Of 50 policies ten namespaces have some; others are open. */
export function generateCluster(podCount: number, policyCount: number, podsPerNamespace: number): GeneratedCluster {
  const namespaceCount = Math.max(3, Math.ceil(podCount / podsPerNamespace));
  const namespaces = Array.from({ length: namespaceCount }, (_, at) => ({
    name: `team-${at}`,
    labels: { tier: `tier-${at % 7}`, team: `team-${at}` },
  }));
  const pods = Array.from({ length: podCount }, (_, at): GeneratedPod => {
    const app = Math.floor(at / namespaceCount) % apps;
    return {
      namespace: `team-${at % namespaceCount}`,
      name: `app-${app}-${at}`,
      labels: { app: `app-${app}`, role: app % 4 === 0 ? "front" : "back", id: String(at) },
      ip: `10.${128 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`,
      port: { name: "web", containerPort: 8000 + app, protocol: "TCP" },
    };
  });
  const policies = Array.from({ length: policyCount }, (_, at) => policyOf(at, namespaceCount));
  return { namespaces, pods, policies };
}

/** By turns: default deny, an app from an app, an app from other namespaces by label, a port by name, egress to a block. */
function policyOf(at: number, namespaceCount: number): NetworkPolicy {
  const app = (offset: number) => ({ matchLabels: { app: `app-${(at * 7 + offset) % apps}` } });
  const specs: NetworkPolicy["spec"][] = [
    { podSelector: {}, policyTypes: ["Ingress"] },
    {
      podSelector: app(0),
      ingress: [{ from: [{ podSelector: app(3) }], ports: [{ port: 8000 + ((at * 7) % apps) }] }],
    },
    {
      podSelector: { matchExpressions: [{ key: "role", operator: "In", values: ["front"] }] },
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { tier: `tier-${at % 7}` } }, podSelector: app(1) }] }],
    },
    { podSelector: app(2), ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: "web" }] }] },
    {
      podSelector: app(1),
      policyTypes: ["Egress"],
      egress: [
        { to: [{ ipBlock: { cidr: `10.128.${at % 256}.0/24`, except: [`10.128.${at % 256}.128/25`] } }] },
        { to: [{ namespaceSelector: {} }], ports: [{ protocol: "UDP", port: 53 }] },
      ],
    },
  ];
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `policy-${at}`, namespace: `team-${Math.floor(at / specs.length) % namespaceCount}` },
    spec: specs[at % specs.length] as NetworkPolicy["spec"],
  };
}
