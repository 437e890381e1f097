/**
 * The Kubernetes object types that cnilab interprets, as the API names them
 * (kubernetes.io/docs/reference/kubernetes-api). Fields that nothing here reads are kept by the index
 * signature of {@link KubeObject}, never dropped.
 */

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  /** Whether the owner, deleted in the foreground, waits for this object. */
  blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  generateName?: string;
}

/** Any object of the API, interpreted or not. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export interface LabelSelectorRequirement {
  key: string;
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  values?: string[];
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: LabelSelectorRequirement[];
}

export type Protocol = "TCP" | "UDP" | "SCTP";
export type IntOrString = number | string;

export interface Namespace extends KubeObject {
  kind: "Namespace";
  status?: { phase?: string };
}

export interface ContainerPort {
  containerPort: number;
  name?: string;
  protocol?: Protocol;
  hostPort?: number;
}

export interface EnvVar {
  name: string;
  value?: string;
}

export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  ports?: ContainerPort[];
  env?: EnvVar[];
  [field: string]: unknown;
}

export interface PodSpec {
  containers: Container[];
  initContainers?: Container[];
  nodeName?: string;
  nodeSelector?: Record<string, string>;
  hostNetwork?: boolean;
  hostname?: string;
  subdomain?: string;
  dnsPolicy?: "ClusterFirst" | "Default" | "None" | "ClusterFirstWithHostNet";
  restartPolicy?: string;
  tolerations?: unknown[];
  [field: string]: unknown;
}

export interface PodCondition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  /** Of Deployments alone. */
  lastUpdateTime?: string;
}

export interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  image: string;
  /** Empty: no image is pulled. */
  imageID: string;
  state: Record<string, unknown>;
  lastState?: Record<string, unknown>;
  started?: boolean;
}

export interface PodStatus {
  phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
  conditions?: PodCondition[];
  /** The first of podIPs. */
  podIP?: string;
  /** One a family. */
  podIPs?: { ip: string }[];
  hostIP?: string;
  hostIPs?: { ip: string }[];
  containerStatuses?: ContainerStatus[];
  startTime?: string;
}

export interface Pod extends KubeObject {
  kind: "Pod";
  spec: PodSpec;
  status?: PodStatus;
}

export interface PodTemplateSpec {
  metadata?: Partial<ObjectMeta>;
  spec: PodSpec;
}

export interface ReplicaSet extends KubeObject {
  kind: "ReplicaSet";
  spec: { replicas?: number; selector: LabelSelector; template: PodTemplateSpec };
  status?: { replicas: number; readyReplicas?: number; availableReplicas?: number; observedGeneration?: number };
}

export interface Deployment extends KubeObject {
  kind: "Deployment";
  spec: { replicas?: number; selector: LabelSelector; template: PodTemplateSpec; [field: string]: unknown };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    readyReplicas?: number;
    availableReplicas?: number;
    conditions?: PodCondition[];
  };
}

export interface ServicePort {
  appProtocol?: string;
  name?: string;
  protocol?: Protocol;
  port: number;
  targetPort?: IntOrString;
  nodePort?: number;
}

export interface Service extends KubeObject {
  kind: "Service";
  spec: {
    type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
    selector?: Record<string, string>;
    ports?: ServicePort[];
    /** "None" for a headless Service. */
    clusterIP?: string;
    clusterIPs?: string[];
    ipFamilies?: ("IPv4" | "IPv6")[];
    ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
    externalName?: string;
    sessionAffinity?: "None" | "ClientIP";
    publishNotReadyAddresses?: boolean;
    externalIPs?: string[];
    loadBalancerIP?: string;
    loadBalancerClass?: string;
    loadBalancerSourceRanges?: string[];
    healthCheckNodePort?: number;
    trafficDistribution?: string;
    [field: string]: unknown;
  };
  status?: { loadBalancer?: { ingress?: LoadBalancerIngress[] }; [field: string]: unknown };
}

/** An address that a load balancer answers at. */
export interface LoadBalancerIngress {
  ip?: string;
  hostname?: string;
  /** VIP, the default: packets come to the nodes with this address as their destination. */
  ipMode?: "VIP" | "Proxy";
}

export interface ObjectReference {
  kind?: string;
  namespace?: string;
  name?: string;
  uid?: string;
}

export interface EndpointAddress {
  ip: string;
  hostname?: string;
  nodeName?: string;
  targetRef?: ObjectReference;
}

export interface Endpoints extends KubeObject {
  kind: "Endpoints";
  subsets?: {
    addresses?: EndpointAddress[];
    notReadyAddresses?: EndpointAddress[];
    ports?: { name?: string; port: number; protocol?: Protocol }[];
  }[];
}

/** discovery.k8s.io/v1; its Service is named by the label kubernetes.io/service-name. */
export interface EndpointSlice extends KubeObject {
  kind: "EndpointSlice";
  addressType: "IPv4" | "IPv6" | "FQDN";
  endpoints: {
    addresses: string[];
    conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
    hostname?: string;
    nodeName?: string;
    /** The topology.kubernetes.io/zone of its node. */
    zone?: string;
    /** Whose callers it is for, by zone and by node. */
    hints?: { forZones?: { name: string }[]; forNodes?: { name: string }[] };
    targetRef?: ObjectReference;
  }[];
  ports?: { name?: string; port?: number; protocol?: Protocol }[];
}

export interface NodeObject extends KubeObject {
  kind: "Node";
  spec: {
    podCIDR?: string;
    podCIDRs?: string[];
    taints?: { key: string; value?: string; effect: string; timeAdded?: string }[];
  };
  status?: {
    addresses?: { type: "InternalIP" | "Hostname"; address: string }[];
    conditions?: PodCondition[];
    capacity?: Record<string, string>;
    allocatable?: Record<string, string>;
  };
}

export interface IPBlock {
  cidr: string;
  except?: string[];
}

export interface NetworkPolicyPeer {
  podSelector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  ipBlock?: IPBlock;
}

export interface NetworkPolicyPort {
  protocol?: Protocol;
  port?: IntOrString;
  endPort?: number;
}

export interface NetworkPolicyIngressRule {
  from?: NetworkPolicyPeer[];
  ports?: NetworkPolicyPort[];
}

export interface NetworkPolicyEgressRule {
  to?: NetworkPolicyPeer[];
  ports?: NetworkPolicyPort[];
}

/** networking.k8s.io/v1. */
export interface NetworkPolicy extends KubeObject {
  kind: "NetworkPolicy";
  spec: {
    podSelector: LabelSelector;
    policyTypes?: ("Ingress" | "Egress")[];
    ingress?: NetworkPolicyIngressRule[];
    egress?: NetworkPolicyEgressRule[];
  };
}
