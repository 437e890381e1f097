import type { KubeObject } from "../../../kube/types.ts";
import { ApiError } from "../api/api-error.ts";
import type { AddOnContext, AddOnInstall } from "./types.ts";
import { untilNoGap, untilRolledOut } from "./until-ready.ts";

const NAMESPACE = "kube-system";
const NAME = "metrics-server";
const IMAGE = "registry.k8s.io/metrics-server/metrics-server:v0.7.2";
const LABELS = { "k8s-app": NAME };
const RBAC = "rbac.authorization.k8s.io/v1";
const PORT = 10250;

/**
 * The resource metrics API, from which `kubectl top` and HorizontalPodAutoscalers read
 * (github.com/kubernetes-sigs/metrics-server: "Requirements" and "Configuration"). Kubelets of a lab have certificates
 * that they signed themselves, so that it is told not to check them.
 */
export const metricsServer: AddOnInstall = {
  version: "v0.7.2",
  namespace: NAMESPACE,
  files: [],
  objects: () => Promise.resolve(metricsServerObjects()),
  async ready(context) {
    await untilRolledOut("metrics-server", { kind: "Deployment", namespace: NAMESPACE, name: NAME }, context);
    // Not earlier: the API server connects at once, and before kube-proxy knows the Service its packets leave the cluster
    // by the default route. A host out there that answers keeps the connection, and the metrics API stays unavailable.
    await context.api.apply([apiService], { signal: context.signal });
    await untilNoGap("metrics-server", context, () => figuresGap(context));
  },
};

/** Nodes of which there are no figures yet: the first come after two readings of each kubelet. */
async function figuresGap({ api, signal }: AddOnContext): Promise<string | undefined> {
  const read = async (path: string): Promise<string[]> => {
    const { body } = await api.connection.send({ method: "GET", path, signal });
    return (body as { items: KubeObject[] }).items.map(({ metadata }) => metadata.name);
  };
  try {
    const [nodes, measured] = await Promise.all([read("/api/v1/nodes"), read("/apis/metrics.k8s.io/v1beta1/nodes")]);
    const missing = nodes.filter((node) => !measured.includes(node));
    return missing.length === 0 ? undefined : `no figures of ${missing.join(", ")}`;
  } catch (error) {
    // Not there and not available are what the aggregator says of an API whose server has not answered it.
    if (error instanceof ApiError && (error.status === 404 || error.status === 503)) return error.message;
    throw error;
  }
}

const apiService: KubeObject = {
  apiVersion: "apiregistration.k8s.io/v1",
  kind: "APIService",
  metadata: { name: "v1beta1.metrics.k8s.io", labels: LABELS },
  spec: {
    group: "metrics.k8s.io",
    version: "v1beta1",
    groupPriorityMinimum: 100,
    versionPriority: 100,
    // Its certificate is made at its start, in memory, so that nobody could know whom to trust beforehand.
    insecureSkipTLSVerify: true,
    service: { namespace: NAMESPACE, name: NAME, port: 443 },
  },
};

function metricsServerObjects(): KubeObject[] {
  const inNamespace = { namespace: NAMESPACE, name: NAME, labels: LABELS };
  const subjects = [{ kind: "ServiceAccount", namespace: NAMESPACE, name: NAME }];
  const roleRef = (kind: string, name: string): object => ({ apiGroup: "rbac.authorization.k8s.io", kind, name });
  const bindCluster = (name: string, role: string): KubeObject => ({
    apiVersion: RBAC,
    kind: "ClusterRoleBinding",
    metadata: { name, labels: LABELS },
    roleRef: roleRef("ClusterRole", role),
    subjects,
  });
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: inNamespace },
    {
      apiVersion: RBAC,
      kind: "ClusterRole",
      metadata: { name: `system:${NAME}`, labels: LABELS },
      rules: [
        { apiGroups: [""], resources: ["nodes/metrics"], verbs: ["get"] },
        { apiGroups: [""], resources: ["pods", "nodes"], verbs: ["get", "list", "watch"] },
      ],
    },
    bindCluster(`system:${NAME}`, `system:${NAME}`),
    bindCluster(`${NAME}:system:auth-delegator`, "system:auth-delegator"),
    {
      apiVersion: RBAC,
      kind: "RoleBinding",
      metadata: { namespace: NAMESPACE, name: `${NAME}-auth-reader`, labels: LABELS },
      roleRef: roleRef("Role", "extension-apiserver-authentication-reader"),
      subjects,
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: inNamespace,
      spec: { selector: LABELS, ports: [{ name: "https", port: 443, targetPort: "https", protocol: "TCP" }] },
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
    priorityClassName: "system-cluster-critical",
    nodeSelector: { "kubernetes.io/os": "linux" },
    volumes: [{ name: "certificates", emptyDir: {} }],
    containers: [
      {
        name: NAME,
        image: IMAGE,
        imagePullPolicy: "IfNotPresent",
        args: [
          "--cert-dir=/certificates",
          `--secure-port=${PORT}`,
          "--kubelet-insecure-tls",
          "--kubelet-preferred-address-types=InternalIP",
          "--kubelet-use-node-status-port",
          // Kubelets measure every 10 s, and an autoscaler's first decision waits for two readings.
          "--metric-resolution=10s",
          "--kubelet-request-timeout=5s",
        ],
        ports: [{ name: "https", containerPort: PORT, protocol: "TCP" }],
        readinessProbe: { httpGet: { path: "/readyz", port: "https", scheme: "HTTPS" }, periodSeconds: 2 },
        livenessProbe: { httpGet: { path: "/livez", port: "https", scheme: "HTTPS" }, periodSeconds: 10 },
        volumeMounts: [{ name: "certificates", mountPath: "/certificates" }],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: 1000,
          capabilities: { drop: ["ALL"] },
        },
      },
    ],
  };
}
