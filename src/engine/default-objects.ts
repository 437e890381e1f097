import type { Deployment, KubeObject, Service } from "../kube/types.ts";
import type { ObjectStore } from "./store/store.ts";

/** The cluster's own facts, as the plan gives them. */
export interface ClusterFacts {
  /** One a family, the primary first. */
  serviceCidrs: readonly string[];
  /** Address of the Service kube-system/kube-dns. */
  dnsAddress: string;
  dnsDomain: string;
}

const DNS_LABELS = { "k8s-app": "kube-dns" };

/** Writes what every kubeadm cluster has before anyone applies anything: namespaces, the API's Service, cluster DNS. */
export function createDefaultObjects(
  store: ObjectStore,
  cluster: ClusterFacts,
  apiServer: { addresses: readonly string[]; clusterIP: string },
): void {
  for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"]) {
    store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  store.create(kubernetesService(apiServer.clusterIP));
  if (apiServer.addresses.length > 0) store.create(kubernetesEndpoints(apiServer.addresses));
  store.create(dnsConfig(cluster.dnsDomain));
  store.create(dnsService(cluster.dnsAddress));
  store.create(dnsDeployment());
}

/** The API's own Service has no selector: its endpoints are the API servers'. */
function kubernetesService(clusterIP: string): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kubernetes", namespace: "default", labels: { component: "apiserver", provider: "kubernetes" } },
    spec: { type: "ClusterIP", clusterIP, ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: 6443 }] },
  };
}

function kubernetesEndpoints(addresses: readonly string[]): KubeObject {
  const subsets = [
    { addresses: addresses.map((ip) => ({ ip })), ports: [{ name: "https", port: 6443, protocol: "TCP" }] },
  ];
  return { apiVersion: "v1", kind: "Endpoints", metadata: { name: "kubernetes", namespace: "default" }, subsets };
}

function dnsService(clusterIP: string): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kube-dns",
      namespace: "kube-system",
      labels: { ...DNS_LABELS, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" },
    },
    spec: {
      clusterIP,
      selector: DNS_LABELS,
      ports: [
        { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
        { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
        { name: "metrics", port: 9153, protocol: "TCP", targetPort: 9153 },
      ],
    },
  };
}

/** kubeadm's manifest (kubernetes cmd/kubeadm/app/phases/addons/dns/manifests.go), without what needs volumes or resources. */
function dnsDeployment(): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "coredns", namespace: "kube-system", labels: DNS_LABELS },
    spec: {
      replicas: 2,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      selector: { matchLabels: DNS_LABELS },
      template: {
        metadata: { labels: DNS_LABELS },
        spec: {
          priorityClassName: "system-cluster-critical",
          serviceAccountName: "coredns",
          nodeSelector: { "kubernetes.io/os": "linux" },
          dnsPolicy: "Default",
          tolerations: [
            { key: "CriticalAddonsOnly", operator: "Exists" },
            { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
          ],
          containers: [
            {
              name: "coredns",
              image: "registry.k8s.io/coredns/coredns:v1.11.3",
              args: ["-conf", "/etc/coredns/Corefile"],
              ports: [
                { name: "dns", containerPort: 53, protocol: "UDP" },
                { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
                { name: "metrics", containerPort: 9153, protocol: "TCP" },
              ],
              readinessProbe: { httpGet: { path: "/ready", port: 8181 } },
              livenessProbe: { httpGet: { path: "/health", port: 8080 }, initialDelaySeconds: 60, timeoutSeconds: 5 },
            },
          ],
        },
      },
    },
  };
}

function dnsConfig(domain: string): KubeObject {
  const corefile = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes ${domain} in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success ${domain}
       disable denial ${domain}
    }
    loop
    reload
    loadbalance
}
`;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "coredns", namespace: "kube-system" },
    data: { Corefile: corefile },
  };
}
