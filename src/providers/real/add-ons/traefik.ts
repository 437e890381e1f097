import type { KubeObject } from "../../../kube/types.ts";
import type { AddOn } from "../../../plan/types.ts";
import type { AddOnContext, AddOnInstall } from "./types.ts";
import { notReady, READY_TIMEOUT_MS, untilRolledOut } from "./until-ready.ts";

const NAMESPACE = "traefik";
const NAME = "traefik";
const IMAGE = "traefik:v3.5.3";
const LABELS = { "app.kubernetes.io/name": NAME };

/** The same on every cluster, so that a port mapping of the lab can lead to them. */
const NODE_PORTS = { http: 30080, https: 30443 };

/**
 * Traefik as Ingress controller: HTTP and HTTPS, certificates from the Ingress's own `tls` secrets
 * (doc.traefik.io/traefik/v3.5/providers/kubernetes-ingress). Rights as its page "Kubernetes Ingress: RBAC" lists them,
 * without those for its own kinds.
 */
export const traefik: AddOnInstall = {
  version: "v3.5.3",
  namespace: NAMESPACE,
  files: [],
  objects: (_supplies, addOns) => Promise.resolve(traefikObjects(addOns)),
  async ready(context) {
    await untilRolledOut("traefik", { kind: "Deployment", namespace: NAMESPACE, name: NAME }, context);
    if (context.addOns.includes("metallb")) await untilAddressed(context);
  },
};

async function untilAddressed({ api, signal, progress }: AddOnContext): Promise<void> {
  const query = { kind: "Service", apiVersion: "v1", namespace: NAMESPACE, name: NAME };
  const [service] = await api.until(
    [query],
    ([found]) => (addressOf(found) === undefined ? "its Service has no address yet" : undefined),
    { timeoutMs: READY_TIMEOUT_MS, signal, timeout: (gap) => notReady("traefik", gap) },
  );
  progress(`traefik is at ${addressOf(service)}`);
}

function addressOf(service: KubeObject | undefined): string | undefined {
  const status = service?.["status"] as { loadBalancer?: { ingress?: { ip?: string }[] } } | undefined;
  return status?.loadBalancer?.ingress?.[0]?.ip;
}

function traefikObjects(addOns: readonly AddOn[]): KubeObject[] {
  const inNamespace = { namespace: NAMESPACE, name: NAME, labels: LABELS };
  const ofCluster = { name: NAME, labels: LABELS };
  const rule = (apiGroups: string[], resources: string[], verbs: string[]): object => ({ apiGroups, resources, verbs });
  const read = ["get", "list", "watch"];
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE, labels: LABELS } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: inNamespace },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: ofCluster,
      rules: [
        rule([""], ["services", "secrets", "nodes"], read),
        rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
        rule(["networking.k8s.io"], ["ingresses", "ingressclasses"], read),
        rule(["networking.k8s.io"], ["ingresses/status"], ["update"]),
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: ofCluster,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: NAME },
      subjects: [{ kind: "ServiceAccount", namespace: NAMESPACE, name: NAME }],
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { ...ofCluster, annotations: { "ingressclass.kubernetes.io/is-default-class": "true" } },
      spec: { controller: "traefik.io/ingress-controller" },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: inNamespace,
      spec: {
        type: addOns.includes("metallb") ? "LoadBalancer" : "NodePort",
        selector: LABELS,
        ports: [
          { name: "http", port: 80, targetPort: "http", nodePort: NODE_PORTS.http, protocol: "TCP" },
          { name: "https", port: 443, targetPort: "https", nodePort: NODE_PORTS.https, protocol: "TCP" },
        ],
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: inNamespace,
      spec: {
        replicas: 1,
        selector: { matchLabels: LABELS },
        template: { metadata: { labels: LABELS }, spec: podSpec() },
      },
    },
  ];
}

function podSpec(): object {
  return {
    serviceAccountName: NAME,
    nodeSelector: { "kubernetes.io/os": "linux" },
    containers: [
      {
        name: NAME,
        image: IMAGE,
        imagePullPolicy: "IfNotPresent",
        args: [
          "--global.checknewversion=false",
          "--global.sendanonymoususage=false",
          "--entrypoints.http.address=:8000",
          "--entrypoints.https.address=:8443",
          // An Ingress without `tls` is served here with Traefik's own certificate.
          "--entrypoints.https.http.tls=true",
          "--entrypoints.ping.address=:8080",
          "--ping.entrypoint=ping",
          "--providers.kubernetesingress=true",
          `--providers.kubernetesingress.ingressendpoint.publishedservice=${NAMESPACE}/${NAME}`,
        ],
        ports: [
          { name: "http", containerPort: 8000, protocol: "TCP" },
          { name: "https", containerPort: 8443, protocol: "TCP" },
          { name: "ping", containerPort: 8080, protocol: "TCP" },
        ],
        readinessProbe: { httpGet: { path: "/ping", port: "ping" }, periodSeconds: 1 },
        livenessProbe: { httpGet: { path: "/ping", port: "ping" }, periodSeconds: 10 },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: 65532,
          capabilities: { drop: ["ALL"] },
        },
      },
    ],
  };
}
