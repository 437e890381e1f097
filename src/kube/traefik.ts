import { GATEWAY_GROUP } from "./gateway/gateway-types.ts";
import { TRAEFIK_GROUP } from "./traefik-kinds/middleware-types.ts";
import { TRAEFIK_RESOURCES, traefikDefinitions } from "./traefik-kinds/traefik-kinds.ts";
import type { KubeObject } from "./types.ts";

/** The release that real clusters get, and that the embedded engine is a model of. */
export const TRAEFIK_VERSION = "v3.5.3";
export const TRAEFIK_NAMESPACE = "traefik";
/** Of the Deployment, the Service, the IngressClass and all else. */
export const TRAEFIK_NAME = "traefik";
/** Who serves Ingresses of a class, as the IngressClass has it. */
export const TRAEFIK_CONTROLLER = "traefik.io/ingress-controller";

const IMAGE = `traefik:${TRAEFIK_VERSION}`;
const LABELS = { "app.kubernetes.io/name": TRAEFIK_NAME };

/** The same on every cluster, so that a port mapping of the lab can lead to them. */
const NODE_PORTS = { http: 30080, https: 30443 };

/**
 * Traefik as Ingress controller: HTTP and HTTPS, certificates from the Ingress's own `tls` secrets
 * (doc.traefik.io/traefik/v3.5/providers/kubernetes-ingress), and its own kinds, for Ingresses to name its middlewares. Rights as its page
 * "Kubernetes Ingress: RBAC" lists them; with the Gateway API also those of its page "Kubernetes Gateway". With somebody who gives addresses to load balancers its Service is one.
 */
export function traefikObjects({
  hasBalancers,
  hasGatewayApi = false,
}: {
  hasBalancers: boolean;
  hasGatewayApi?: boolean;
}): KubeObject[] {
  const inNamespace = { namespace: TRAEFIK_NAMESPACE, name: TRAEFIK_NAME, labels: LABELS };
  const ofCluster = { name: TRAEFIK_NAME, labels: LABELS };
  const rule = (apiGroups: string[], resources: string[], verbs: string[]): object => ({ apiGroups, resources, verbs });
  const read = ["get", "list", "watch"];
  return [
    ...traefikDefinitions(),
    { apiVersion: "v1", kind: "Namespace", metadata: { name: TRAEFIK_NAMESPACE, labels: LABELS } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: inNamespace },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: ofCluster,
      rules: [
        // ConfigMaps for certificates that ServersTransports trust.
        rule([""], ["services", "secrets", "nodes", "configmaps"], read),
        rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
        rule(["networking.k8s.io"], ["ingresses", "ingressclasses"], read),
        rule(["networking.k8s.io"], ["ingresses/status"], ["update"]),
        rule([TRAEFIK_GROUP], [...TRAEFIK_RESOURCES], read),
        ...(hasGatewayApi ? gatewayRights() : []),
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: ofCluster,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: TRAEFIK_NAME },
      subjects: [{ kind: "ServiceAccount", namespace: TRAEFIK_NAMESPACE, name: TRAEFIK_NAME }],
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { ...ofCluster, annotations: { "ingressclass.kubernetes.io/is-default-class": "true" } },
      spec: { controller: TRAEFIK_CONTROLLER },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: inNamespace,
      spec: {
        type: hasBalancers ? "LoadBalancer" : "NodePort",
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
        template: { metadata: { labels: LABELS }, spec: podSpec(hasGatewayApi) },
      },
    },
  ];
}

/** gRPC's routes too: Traefik waits until it can list them. */
const GATEWAY_RESOURCES = ["gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants"];

function gatewayRights(): object[] {
  return [
    { apiGroups: [""], resources: ["namespaces"], verbs: ["list", "watch"] },
    { apiGroups: [GATEWAY_GROUP], resources: GATEWAY_RESOURCES, verbs: ["get", "list", "watch"] },
    {
      apiGroups: [GATEWAY_GROUP],
      resources: GATEWAY_RESOURCES.map((name) => `${name}/status`),
      verbs: ["update"],
    },
  ];
}

const GATEWAY_FLAGS = [
  "--providers.kubernetesgateway=true",
  `--providers.kubernetesgateway.statusaddress.service.namespace=${TRAEFIK_NAMESPACE}`,
  `--providers.kubernetesgateway.statusaddress.service.name=${TRAEFIK_NAME}`,
];

function podSpec(hasGatewayApi: boolean): object {
  return {
    serviceAccountName: TRAEFIK_NAME,
    nodeSelector: { "kubernetes.io/os": "linux" },
    containers: [
      {
        name: TRAEFIK_NAME,
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
          "--providers.kubernetescrd=true",
          // By default two seconds between two changes: a lab would be probed before they count.
          "--providers.providersthrottleduration=100ms",
          `--providers.kubernetesingress.ingressendpoint.publishedservice=${TRAEFIK_NAMESPACE}/${TRAEFIK_NAME}`,
          ...(hasGatewayApi ? GATEWAY_FLAGS : []),
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
