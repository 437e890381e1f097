import { LabError } from "../../../core/errors.ts";
import type { LabWarning } from "../../../core/errors.ts";
import { hookWarnings } from "../../../engine/images/pre-stop.ts";
import { imageWarnings, planPod } from "../../../engine/images/registry.ts";
import type { ContainerPlan } from "../../../engine/images/registry.ts";
import { cpuCostWarnings } from "../../../engine/metrics/cpu-cost.ts";
import { ZONE_KINDS, zoneFacts } from "../../../engine/nameserver/zone-facts.ts";
import type { ZoneFacts } from "../../../engine/nameserver/zone-facts.ts";
import { FactsPublisher } from "../../../engine/facts-publisher.ts";
import { containerStarts } from "../../../engine/images/container-start.ts";
import { podHostname } from "../../../engine/nameserver/resolv.ts";
import { mountedFiles } from "../../../engine/mounted-files.ts";
import type { FindConfig } from "../../../engine/mounted-files.ts";
import type { ContainerStart, PodRuntime, PodStart, PodStartFailure } from "../../../engine/pod-runtime.ts";
import { serviceVariables } from "../../../engine/service-variables.ts";
import type { ServiceVariables } from "../../../engine/service-variables.ts";
import type { ListenResult, PodToServe } from "../../../engine/servers/messages.ts";
import type { StartedContainer } from "../../../engine/servers/pod-logs.ts";
import type { MeshAuthority } from "../../../engine/mesh/authority.ts";
import { isInjected } from "../../../engine/mesh/injection.ts";
import { serviceAccountOf } from "../../../engine/mesh/mesh-facts.ts";
import type { ObjectStore } from "../../../engine/store/store.ts";
import { loadConfiguration, TRAEFIK_KINDS } from "../../../engine/traefik/configuration.ts";
import type { Configuration } from "../../../engine/traefik/types.ts";
import { isHostNetwork } from "../../../kube/pods.ts";
import type { Container, KubeObject, Pod, PodSpec } from "../../../kube/types.ts";
import type { PlannedCluster } from "../../../plan/types.ts";
import { podKey } from "./pod-network.ts";
import type { PodNetwork } from "./pod-network.ts";
import { redirectToSidecar } from "./mesh-redirect.ts";
import type { ServerThread } from "./server-thread.ts";
import type { Underlay } from "./underlay.ts";

export interface NamespaceRuntimeOptions {
  servers: ServerThread;
  store: ObjectStore;
  network: PodNetwork;
  underlay: Underlay;
  cluster: PlannedCluster;
  /** Of a lab with a mesh. */
  authority?: MeshAuthority | undefined;
}

/** Where a pod runs. */
interface PodPlace {
  uid: string;
  addresses: string[];
  netnsFd: number;
}

/** Runs pods as network namespaces with built-in servers in them. */
export class NamespaceRuntime implements PodRuntime {
  private readonly options: NamespaceRuntimeOptions;
  private readonly dns: FactsPublisher<ZoneFacts>;
  private readonly ingress: FactsPublisher<Configuration>;
  /** The variables of Services that each pod was started with, by its uid. */
  private readonly variables = new Map<string, ServiceVariables>();

  constructor(options: NamespaceRuntimeOptions) {
    this.options = options;
    const { store, cluster } = options;
    this.dns = new FactsPublisher({
      store,
      kinds: ZONE_KINDS,
      read: () => zoneFacts(store, cluster),
      send: (facts) => options.servers.setZone(facts),
    });
    this.ingress = new FactsPublisher({
      store,
      kinds: TRAEFIK_KINDS,
      read: loadConfiguration,
      send: (configuration) => options.servers.setIngress(configuration),
    });
    store.watch({ kinds: ["Pod"] }, (events) => {
      for (const { type, object } of events) {
        if (type === "ADDED" && !isHostNetwork(object as Pod)) this.options.network.expect(object.metadata.uid ?? "");
        else if (type === "DELETED") {
          this.options.network.unexpect(object.metadata.uid ?? "");
          this.variables.delete(object.metadata.uid ?? "");
        }
      }
    });
  }

  /** Starts the web server of the host outside the cluster. */
  async serveExternal(): Promise<void> {
    const [results = []] = await this.options.servers.start([
      {
        key: "external",
        pod: { name: "external", hostname: "external", namespace: "", ips: this.options.underlay.externalAddresses },
        netnsFd: this.options.underlay.external.fd,
        containers: [{ name: "web" }],
        listens: [{ container: "web", protocol: "TCP", port: 80, behaviour: { kind: "http", app: "netexec" } }],
      },
    ]);
    const failed = results.find(({ error }) => error !== undefined);
    if (failed !== undefined)
      throw new LabError("POD_SERVERS_FAILED", `the outside host cannot listen: ${failed.error?.message}`);
  }

  async start(pods: readonly Pod[]): Promise<(PodStart | PodStartFailure)[]> {
    const files = pods.map((pod) => mountedFiles(pod, this.configOf(pod)));
    const attached = this.attach(pods, files);
    this.redirect(pods, attached);
    const services = this.options.store.list("Service");
    for (const pod of pods) this.variables.set(pod.metadata.uid ?? "", serviceVariables(services, pod));
    const plans = pods.map((pod, index) => planPod(pod, this.variablesOf(pod), files[index]?.read));
    const toServe = pods.flatMap((pod, index): PodToServe[] => {
      const place = attached[index];
      return place === undefined || place instanceof Error ? [] : [this.podToServe(pod, place, plans[index] ?? [])];
    });
    let results: ListenResult[][];
    try {
      results = await this.options.servers.start(toServe);
    } catch (error) {
      // They are started again, from nothing.
      for (const pod of pods) this.detach(pod);
      throw error;
    }
    const byKey = new Map(toServe.map(({ key }, index) => [key, results[index] ?? []]));
    return pods.map((pod, index) => podStart(pod, attached[index], plans[index] ?? [], byKey));
  }

  /** Its network and its variables are those it was started with; mounted files are read anew. */
  async restart(pod: Pod, containers: readonly string[]): Promise<ContainerStart[]> {
    const place = this.placeOf(pod);
    const { read } = mountedFiles(pod, this.configOf(pod));
    const plans = planPod(pod, this.variablesOf(pod), read).filter(({ name }) => containers.includes(name));
    const [results = []] = await this.options.servers.start([{ ...this.podToServe(pod, place, plans), isMore: true }]);
    return containerStarts(pod, plans, results);
  }

  async kill({ metadata }: Pod, containers: readonly string[]): Promise<void> {
    await this.options.servers.kill(metadata.uid ?? "", containers);
  }

  async stop(pods: readonly Pod[]): Promise<void> {
    const present = pods.filter(
      (pod) => isHostNetwork(pod) || this.options.network.pods.get(podKey(pod))?.uid === pod.metadata.uid,
    );
    if (present.length === 0) return;
    await this.options.servers.stop(present.map(({ metadata }) => metadata.uid ?? ""));
    for (const pod of present) this.detach(pod);
  }

  /** Secrets and ConfigMaps of the pod's namespace. */
  private configOf({ metadata }: Pod): FindConfig {
    return (kind, name) => this.options.store.find({ kind, name, namespace: metadata.namespace ?? "default" });
  }

  /** Each pod's place: a namespace of its own, or its node's; none where a volume cannot be mounted, which the kubelet does first. */
  private attach(pods: readonly Pod[], files: readonly { fault?: string }[]): (PodPlace | Error)[] {
    const faults = files.map(({ fault }) => fault);
    const own = pods.filter((pod, index) => !isHostNetwork(pod) && faults[index] === undefined);
    const attached = this.options.network.attach(own);
    return pods.map((pod, index): PodPlace | Error => {
      const fault = faults[index];
      if (fault !== undefined) return new Error(fault);
      const place = isHostNetwork(pod)
        ? undefined
        : (attached[own.indexOf(pod)] ?? new Error("the pod was not attached"));
      return place instanceof Error ? place : this.placeOf(pod);
    });
  }

  /** What istio-init does before anything of the pod runs. */
  private redirect(pods: readonly Pod[], places: readonly (PodPlace | Error)[]): void {
    if (this.options.authority === undefined) return;
    for (const [index, pod] of pods.entries()) {
      const place = places[index];
      if (place !== undefined && !(place instanceof Error) && isInjected(pod)) redirectToSidecar(podKey(pod), place);
    }
  }

  private podToServe(pod: Pod, place: PodPlace, plans: readonly ContainerPlan[]): PodToServe {
    const { name, namespace = "default" } = pod.metadata;
    const facts = { name, hostname: podHostname(pod), namespace, ips: place.addresses };
    const containers = plans.filter(({ waiting }) => waiting === undefined).map(startedContainer);
    const listens = plans.flatMap((plan) => plan.listens);
    const identity = { namespace, serviceAccount: serviceAccountOf(pod) };
    const credentials = isInjected(pod) ? this.options.authority?.credentials(identity) : undefined;
    return {
      key: place.uid,
      pod: facts,
      netnsFd: place.netnsFd,
      containers,
      listens,
      ...(credentials === undefined ? {} : { credentials }),
    };
  }

  private placeOf(pod: Pod): PodPlace {
    const uid = pod.metadata.uid ?? "";
    if (isHostNetwork(pod)) {
      const { host, primary } = this.options.underlay.node(pod.spec.nodeName ?? "");
      return { uid, addresses: [...primary.addresses], netnsFd: host.fd };
    }
    const attached = this.options.network.pods.get(podKey(pod));
    if (attached?.uid !== uid) throw new Error(`pod ${podKey(pod)} has no network`);
    return { uid, addresses: attached.addresses, netnsFd: attached.host.fd };
  }

  /** What belongs to a node stays. */
  private detach(pod: Pod): void {
    if (!isHostNetwork(pod)) this.options.network.detach(podKey(pod));
  }

  /** The variables of Services that the pod's containers have, which are those of the moment it was started. */
  variablesOf(pod: Pod): ServiceVariables | undefined {
    return this.variables.get(pod.metadata.uid ?? "");
  }

  /** Resolves when cluster DNS and Ingress controllers answer from the store as it is now. */
  async factsAreKnown(): Promise<void> {
    await Promise.all([this.dns.knows(), this.ingress.knows()]);
  }

  /** What to tell whoever applies an object about images and hooks that are not modelled, and costs that are none. */
  warningsOf(object: KubeObject): LabWarning[] {
    const containers = containersOf(object);
    return [...imageWarnings(containers), ...hookWarnings(containers), ...cpuCostWarnings(object)];
  }

  /** What the built-in servers of the pod have logged. Throws SOURCE_MISSING. */
  async logs(source: { namespace: string; name: string; container?: string }): Promise<string> {
    const pod = this.options.store.get("Pod", source.name, source.namespace);
    if (pod === undefined)
      throw new LabError("SOURCE_MISSING", `pod ${source.namespace}/${source.name} does not exist`);
    const part = await this.options.servers.logs(pod.metadata.uid ?? "", source.container);
    return (part?.lines ?? []).map(({ text }) => `${text}\n`).join("");
  }
}

/** What ends with an error says why. */
function startedContainer({ name, end }: ContainerPlan): StartedContainer {
  return { name, ...(end !== undefined && end.exitCode !== 0 && { lastWords: end.message }) };
}

function podStart(
  pod: Pod,
  place: PodPlace | Error | undefined,
  plans: readonly ContainerPlan[],
  results: ReadonlyMap<string, ListenResult[]>,
): PodStart | PodStartFailure {
  if (place === undefined || place instanceof Error) return { error: place ?? new Error("the pod was not attached") };
  const own = results.get(place.uid) ?? [];
  return { podIPs: place.addresses, containers: containerStarts(pod, plans, own) };
}

function containersOf(object: KubeObject): Container[] {
  const spec = (object as { spec?: { template?: { spec?: PodSpec } } & Partial<PodSpec> }).spec;
  return spec?.template?.spec?.containers ?? (object.kind === "Pod" ? (spec?.containers ?? []) : []);
}
