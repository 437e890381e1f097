import { isHostNetwork } from "../../kube/pods.ts";
import type { Container, Namespace, Pod } from "../../kube/types.ts";
import type { AdmissionRule } from "../store/store.ts";

/** The sidecar's container, by which a meshed pod is known. */
export const SIDECAR = "istio-proxy";

const VERSION = "1.27.1";
const IMAGE = `docker.io/istio/proxyv2:${VERSION}`;

/** Where the sidecar takes what leaves the pod, what comes to it, and where it tells that it is ready. */
export const OUTBOUND_PORT = 15_001;
export const INBOUND_PORT = 15_006;
export const STATUS_PORT = 15_021;
/** Ports of the sidecar itself: never redirected. */
export const OWN_PORTS: readonly number[] = [15_008, 15_020, STATUS_PORT, 15_090];

/** Istio's webhook leaves these alone. */
const IGNORED_NAMESPACES = new Set(["kube-system", "kube-public", "kube-node-lease", "istio-system"]);

const INJECT = "sidecar.istio.io/inject";

/** Whether the pod has been given a sidecar. */
export function isInjected({ spec }: Pod): boolean {
  return spec.containers.some(({ name, image }) => name === SIDECAR && image === IMAGE);
}

/**
 * Whether a new pod of this namespace gets a sidecar: what the pod itself says, else its namespace's label
 * (istio.io/latest/docs/setup/additional-setup/sidecar-injection). Pods on their node's network never do.
 */
export function wantsSidecar(pod: Pod, namespace: Namespace | undefined): boolean {
  const { metadata } = pod;
  if (isHostNetwork(pod) || IGNORED_NAMESPACES.has(metadata.namespace ?? "default")) return false;
  if (pod.spec.containers.some(({ name }) => name === SIDECAR)) return false;
  const ofNamespace = namespace?.metadata.labels?.["istio-injection"];
  const ofPod = metadata.labels?.[INJECT] ?? metadata.annotations?.[INJECT];
  if (ofNamespace === "disabled" || ofPod === "false") return false;
  return ofNamespace === "enabled" || ofPod === "true";
}

/** Istio's mutating webhook: a pod that is made gets its sidecar; one that is there stays as it is. */
export const sidecarInjection: AdmissionRule = (draft, { operation, key, store }) => {
  if (operation !== "create" || key !== "Pod") return;
  const pod = draft as Pod;
  const namespace = store.get("Namespace", pod.metadata.namespace ?? "default");
  if (!wantsSidecar(pod, namespace)) return;
  const { metadata, spec } = pod;
  const { labels = {}, annotations = {} } = metadata;
  const name = labels["app.kubernetes.io/name"] ?? labels["app"] ?? metadata.name;
  const revision = labels["app.kubernetes.io/version"] ?? labels["version"] ?? "latest";
  metadata.labels = {
    ...labels,
    "security.istio.io/tlsMode": "istio",
    "service.istio.io/canonical-name": name,
    "service.istio.io/canonical-revision": revision,
  };
  const status = { initContainers: ["istio-init"], containers: [SIDECAR], volumes: null, revision: "default" };
  metadata.annotations = {
    "kubectl.kubernetes.io/default-container": spec.containers[0]?.name ?? "",
    ...annotations,
    "sidecar.istio.io/status": JSON.stringify(status),
  };
  spec.initContainers = [...(spec.initContainers ?? []), initContainer()];
  spec.containers = [...spec.containers, sidecar()];
};

function initContainer(): Container {
  const args = [
    "istio-iptables",
    "-p",
    String(OUTBOUND_PORT),
    "-z",
    String(INBOUND_PORT),
    "-u",
    "1337",
    "-m",
    "REDIRECT",
  ];
  return { name: "istio-init", image: IMAGE, args };
}

function sidecar(): Container {
  return {
    name: SIDECAR,
    image: IMAGE,
    args: ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"],
    ports: [{ name: "http-envoy-prom", containerPort: 15_090, protocol: "TCP" }],
    readinessProbe: { httpGet: { path: "/healthz/ready", port: STATUS_PORT }, periodSeconds: 15, failureThreshold: 4 },
  };
}
