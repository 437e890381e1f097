import { LabError } from "../core/errors.ts";
import { formatIp, nthAddress, parseCidr } from "../core/ip.ts";
import type { LabWarning } from "../core/errors.ts";
import { METALLB_NAMESPACE } from "../kube/address-pools.ts";
import type { KubeObject, Pod } from "../kube/types.ts";
import { rolloutRestart, scale } from "./change-workload.ts";
import { checkAutoscaler } from "./admission/autoscaler.ts";
import { defaultTolerations } from "./admission/default-tolerations.ts";
import { defaultIngressClass } from "./admission/default-ingress-class.ts";
import { fillDefaults } from "./admission/defaults.ts";
import { refuseForbiddenChanges } from "./admission/immutable.ts";
import { nodePorts } from "./admission/node-port.ts";
import { serviceAddresses } from "./admission/service-address.ts";
import { checkGatewayApi } from "./admission/gateway-api.ts";
import { checkIngress } from "./admission/ingress.ts";
import { checkTrafficDistribution } from "./admission/traffic-distribution.ts";
import { checkWorkload } from "./admission/workload-selector.ts";
import { horizontalPodAutoscaling } from "./autoscaling/horizontal-pod-autoscaler.ts";
import { apiTime, systemClock, type Clock } from "./clock.ts";
import { runControllers, type Controller } from "./controllers/controller.ts";
import { customResourceDefinitionController } from "./controllers/custom-resource-definition.ts";
import { daemonSetController } from "./controllers/daemon-set.ts";
import { deploymentController } from "./controllers/deployment.ts";
import { disruptionController } from "./controllers/disruption.ts";
import { endpointSliceMirroring } from "./controllers/endpoint-slice-mirroring.ts";
import { endpointSliceController } from "./controllers/endpoint-slice.ts";
import { endpointsController } from "./controllers/endpoints.ts";
import { garbageCollector } from "./controllers/garbage-collector.ts";
import { namespaceController } from "./controllers/namespace.ts";
import { nodeLifecycle } from "./controllers/node-lifecycle.ts";
import { hostResources, primaryAddresses, registerNodes, type EngineNode } from "./controllers/nodes.ts";
import { replicaSetController } from "./controllers/replica-set.ts";
import { createScheduler } from "./controllers/scheduler.ts";
import { serviceAccountController } from "./controllers/service-account.ts";
import { statefulSetController } from "./controllers/stateful-set.ts";
import { createTaintEviction } from "./controllers/taint-eviction.ts";
import { createDefaultObjects, type ClusterFacts } from "./default-objects.ts";
import { MetricsServer, type RequestReading } from "./metrics/metrics-server.ts";
import { inTime } from "./in-time.ts";
import { NormalEvents } from "./normal-events.ts";
import { recordEvent } from "./event-recorder.ts";
import { Kubelet } from "./kubelet.ts";
import { metallbController } from "./metallb/controller.ts";
import { addressPoolRule, createDefaultPool } from "./metallb/pools.ts";
import { installMesh, meshAdmission, rootCertificates } from "./mesh/install.ts";
import type { PodRuntime } from "./pod-runtime.ts";
import { seededRandom } from "./seeded-random.ts";
import { applyObjects, type AppliedObject } from "./store/apply.ts";
import type { StoreRef } from "./store/object-parts.ts";
import { ObjectStore } from "./store/store.ts";
import { gatewayStatus } from "./traefik/gateway/gateway-status.ts";
import { ingressStatus } from "./traefik/ingress-status.ts";
import { installTraefik } from "./traefik/install.ts";
import { deleteObjects } from "./delete-objects.ts";
import { waitFor, type WaitCondition, type WaitOptions } from "./wait-for.ts";

export interface ControlPlaneOptions {
  nodes: readonly EngineNode[];
  cluster: ClusterFacts;
  runtime: PodRuntime;
  /** From {@link createStore}; by default a new one. */
  store?: ObjectStore;
  clock?: Clock;
  /** Equal seeds give equal pod names, uids and addresses. */
  seed?: number;
  /** Pod CIDRs of a node, for its Node object. */
  podCidrs?: (node: string) => string[];
  /** Whether Traefik is installed, as the add-on of real clusters. */
  hasTraefik?: boolean;
  /** Whether it serves the Gateway API, too. */
  hasGatewayApi?: boolean;
  /** Ranges (`FIRST-LAST`) that MetalLB gives out until its pools say otherwise; absent: there is no MetalLB. */
  addressPool?: readonly string[] | undefined;
  /** Of the authority of a service mesh, as PEM; absent: there is no mesh. */
  meshCertificate?: string | undefined;
  /** What pods' servers have answered; absent: there is no metrics-server. */
  readRequests?: (() => Promise<RequestReading>) | undefined;
  /** What to tell whoever applies this object. */
  warningsOf?: (object: KubeObject) => LabWarning[];
}

/** Something that follows the store and that `settle` waits for: resolves once it has taken in this version. */
export type Barrier = (version: number) => Promise<void>;

/** A running control plane: the store and the loops that bring the world to what it says. */
export interface ControlPlane {
  store: ObjectStore;
  /** What went well; written into the store for whoever reads Events. */
  events: NormalEvents;
  /** Absent where the lab has none. */
  metrics: MetricsServer | undefined;
  /** What to tell whoever wrote this object. */
  warningsOf(object: KubeObject): LabWarning[];
  /** Creates or updates, all or none; throws what the store's rules throw. */
  apply(objects: readonly KubeObject[]): AppliedObject[];
  /** See {@link deleteObjects}. */
  delete(refs: readonly StoreRef[], options?: Partial<WaitOptions>): Promise<void>;
  /** Sets spec.replicas; throws OBJECT_NOT_FOUND or NOT_SCALABLE. */
  scale(ref: StoreRef, replicas: number): void;
  /** Annotates the template, so that all pods are replaced; throws OBJECT_NOT_FOUND. */
  rolloutRestart(ref: StoreRef, restartedAt: string): void;
  wait(condition: WaitCondition, options: WaitOptions): Promise<void>;
  /** Resolves when every change made before has been worked off, barriers included; rejects with SETTLE_TIMEOUT. */
  settle(options?: { timeoutMs?: number }): Promise<void>;
  addBarrier(barrier: Barrier): void;
  /** A node whose kubelet is stopped starts and stops no pods and tells nothing of them; it catches up when it runs again. */
  setKubeletStopped(node: string, isStopped: boolean): void;
  /** A container's process, run by whoever attached to it, has ended; of one that does not run nothing comes of it. */
  containerExited(pod: Pod, container: string, exitCode: number): void;
  /** Control loops whose last try at a key failed, and why. */
  failing(): string[];
  close(): void;
}

/** A store with the API server's rules: checks, defaults, fixed fields, Service addresses. */
export function createStore(options: {
  cluster: ClusterFacts;
  clock?: Clock;
  seed?: number;
  /** Whether pods are given sidecars. */
  hasMesh?: boolean;
}): ObjectStore {
  return new ObjectStore({
    clock: options.clock ?? systemClock,
    random: seededRandom(options.seed ?? 1),
    admission: [
      ...(options.hasMesh === true ? meshAdmission : []),
      checkWorkload,
      checkAutoscaler,
      checkTrafficDistribution,
      defaultIngressClass,
      checkIngress,
      checkGatewayApi,
      fillDefaults,
      defaultTolerations,
      refuseForbiddenChanges,
      serviceAddresses(options.cluster.serviceCidrs),
      nodePorts,
      addressPoolRule,
    ],
  });
}

/** Registers the nodes, writes the default objects and starts the loops. */
export function createControlPlane(options: ControlPlaneOptions): ControlPlane {
  const { nodes, cluster, runtime, clock = systemClock, warningsOf = () => [] } = options;
  const store =
    options.store ?? createStore({ cluster, clock, ...(options.seed === undefined ? {} : { seed: options.seed }) });
  const nodeAddresses = new Map(nodes.map((node) => [node.name, primaryAddresses(node)]));
  const { readRequests, addressPool, meshCertificate } = options;
  registerNodes(store, nodes, apiTime(clock.nowMs()), options.podCidrs, readRequests && hostResources());
  const apiServers = nodes
    .filter(({ role }) => role === "control-plane")
    .flatMap((node) => primaryAddresses(node).slice(0, 1));
  if (store.get("Namespace", "default") === undefined)
    createDefaultObjects(store, cluster, { addresses: apiServers, clusterIP: firstServiceAddress(cluster) });

  if (addressPool !== undefined && store.get("Namespace", METALLB_NAMESPACE) === undefined)
    createDefaultPool(store, addressPool);

  installTraefik(store, options);
  if (meshCertificate !== undefined) installMesh(store);

  const metrics = readRequests && new MetricsServer({ store, clock, read: readRequests });
  const addOns = [
    ...(addressPool === undefined ? [] : [metallbController]),
    ...(options.hasTraefik === true ? [ingressStatus] : []),
    ...(options.hasGatewayApi === true ? [gatewayStatus] : []),
    ...(meshCertificate === undefined ? [] : [rootCertificates(meshCertificate)]),
  ];
  // Before the loops: it sees each change before they answer it.
  const events = new NormalEvents(store, clock);
  const controllers = runControllers([...allControllers(), horizontalPodAutoscaling(metrics), ...addOns], {
    store,
    clock,
    onError: (name, key, { error }) => {
      const namespace = key.slice(0, Math.max(0, key.indexOf("/")));
      recordEvent(
        store,
        clock,
        { kind: "Controller", namespace, name },
        "ReconcileError",
        `${key}: ${error instanceof Error ? error.message : String(error)}`,
      );
    },
  });
  const kubelet = new Kubelet({
    store,
    clock,
    runtime,
    addressesOf: (node) => nodeAddresses.get(node),
    onError: (pod, error) => recordEvent(store, clock, podRef(pod), "FailedStart", error.message),
    onEvent: (pod, type, reason, message) => recordEvent(store, clock, podRef(pod), reason, message, type),
  });
  const barriers: Barrier[] = [];
  const isIdle = (): boolean => controllers.isIdle() && kubelet.isIdle;
  let isClosed = false;

  const settled = async (isLate: () => boolean): Promise<void> => {
    while (!isClosed && !isLate()) {
      await turn();
      await Promise.all([controllers.idle(), kubelet.idle()]);
      const { version } = store;
      await Promise.all(barriers.map((barrier) => barrier(version)));
      await turn();
      if (store.version === version && isIdle()) return;
    }
  };

  return {
    store,
    events,
    metrics,
    warningsOf,
    apply: (objects) => applyObjects(store, objects, warningsOf),
    delete: (refs, deleteOptions) => deleteObjects(store, refs, deleteOptions),
    scale: (ref, replicas) => scale(store, ref, replicas),
    rolloutRestart: (ref, restartedAt) => rolloutRestart(store, ref, restartedAt),
    wait: (condition, waitOptions) => waitFor(store, condition, waitOptions),
    settle: ({ timeoutMs = 30_000 } = {}) =>
      inTime(settled, timeoutMs, () => describeBusy(controllers.failing(), kubelet.isIdle)),
    setKubeletStopped: (node, isStopped) => kubelet.setStopped(node, isStopped),
    containerExited: (pod, container, exitCode) => kubelet.containerExited(pod, container, exitCode),
    addBarrier: (barrier) => void barriers.push(barrier),
    failing: () => controllers.failing().map(describeFailing),
    close() {
      isClosed = true;
      events.close();
      metrics?.close();
      controllers.close();
      kubelet.close();
    },
  };
}

function allControllers(): Controller[] {
  return [
    namespaceController,
    deploymentController,
    replicaSetController,
    statefulSetController,
    daemonSetController,
    createScheduler(),
    nodeLifecycle,
    createTaintEviction(),
    endpointsController,
    endpointSliceController,
    endpointSliceMirroring,
    disruptionController,
    customResourceDefinitionController,
    garbageCollector,
    serviceAccountController,
  ];
}

/** The first address of the Service network is the API's, by convention of every installer. */
function firstServiceAddress({ serviceCidrs }: ClusterFacts): string {
  const range = parseCidr(serviceCidrs[0] ?? "");
  const address = range === undefined ? undefined : nthAddress(range, 1);
  if (address === undefined)
    throw new LabError("BAD_ADDRESS", `the Service network "${serviceCidrs[0] ?? ""}" is not a CIDR`);
  return formatIp(address);
}

function podRef(pod: Pod): { kind: string; namespace: string; name: string } {
  return { kind: "Pod", namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name };
}

/** The next check phase of the event loop: all watches have been told by then. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function describeFailing({
  controller,
  key,
  failing: { error, attempts },
}: {
  controller: string;
  key: string;
  failing: { error: unknown; attempts: number };
}): string {
  return `${controller} of ${key} failed ${attempts} times: ${error instanceof Error ? error.message : String(error)}`;
}

function describeBusy(failing: readonly Parameters<typeof describeFailing>[0][], isKubeletIdle: boolean): string {
  if (failing.length > 0) return failing.slice(0, 3).map(describeFailing).join("; ");
  return isKubeletIdle ? "control loops are still at work" : "pods are still being started or stopped";
}
