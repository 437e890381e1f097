import { LabError } from "../../../core/errors.ts";
import { environment } from "../../../engine/images/process.ts";
import { hostsFile, nodeResolvConf, nsswitchConf, podHostname, resolvConf } from "../../../engine/nameserver/resolv.ts";
import type { ServiceVariables } from "../../../engine/service-variables.ts";
import type { ObjectStore } from "../../../engine/store/store.ts";
import type { NetworkNamespace } from "../../../kernel/namespace.ts";
import { sandboxAccounts } from "../../../kernel/sandbox.ts";
import { isHostNetwork, podAddresses } from "../../../kube/pods.ts";
import type { Container, Pod } from "../../../kube/types.ts";
import type { PlannedCluster } from "../../../plan/types.ts";
import type { Source } from "../../types.ts";
import type { ExecPlace } from "./exec.ts";
import type { PodNetwork } from "./pod-network.ts";
import type { Scratch } from "./scratch.ts";
import type { Underlay } from "./underlay.ts";

export interface PlacesOptions {
  store: ObjectStore;
  underlay: Underlay;
  network: PodNetwork;
  scratch: Scratch;
  cluster: PlannedCluster;
  /** Variables of Services that a pod was started with. */
  variablesOf(pod: Pod): ServiceVariables | undefined;
}

/** Finds where a source's commands run, and prepares what they see there. */
export class Places {
  private readonly options: PlacesOptions;
  /** Files written for a pod, by its uid; for nodes and the outside, by name. */
  private readonly files = new Map<string, Record<string, string>>();

  constructor(options: PlacesOptions) {
    this.options = options;
  }

  /** Throws SOURCE_MISSING for what is not there and SOURCE_NOT_READY for a pod without a network. */
  of(source: Source): ExecPlace {
    switch (source.kind) {
      case "pod":
        return this.pod(source);
      case "node":
        return this.node(source.name);
      case "external":
        return this.external();
    }
  }

  private external(): ExecPlace {
    const { external, externalAddresses: addresses } = this.options.underlay;
    return {
      name: "external",
      namespace: external.namespace,
      addresses,
      sandbox: { hostname: "external", networkAdmin: false, env: {}, etc: this.hostFiles("external", addresses) },
    };
  }

  private node(name: string): ExecPlace {
    const node = this.options.underlay.nodes.get(name);
    if (node === undefined) throw missing(`node ${name}`);
    const addresses = node.plan.interfaces.flatMap((link) => link.addresses);
    return {
      name: `node/${name}`,
      namespace: node.host.namespace,
      addresses,
      sandbox: { hostname: name, networkAdmin: true, env: {}, etc: this.hostFiles(name, addresses) },
    };
  }

  /** As {@link of}, for what needs no files. */
  namespaceOf(source: Source): NetworkNamespace {
    if (source.kind === "pod") return this.attached(source).namespace;
    if (source.kind === "external") return this.options.underlay.external.namespace;
    const node = this.options.underlay.nodes.get(source.name);
    if (node === undefined) throw missing(`node ${source.name}`);
    return node.host.namespace;
  }

  private attached(source: Source & { kind: "pod" }): Pick<ExecPlace, "namespace" | "addresses"> & { pod: Pod } {
    const key = `${source.namespace}/${source.name}`;
    const pod = this.options.store.get("Pod", source.name, source.namespace);
    if (pod === undefined) throw missing(`pod ${key}`);
    const attached = isHostNetwork(pod) ? this.nodeOf(pod) : this.ownNetwork(key);
    if (attached === undefined) {
      throw new LabError("SOURCE_NOT_READY", `pod ${key} has no network yet: ${pod.status?.phase ?? "Pending"}`);
    }
    return { pod, ...attached };
  }

  private pod(source: Source & { kind: "pod" }): ExecPlace {
    const { pod, namespace, addresses } = this.attached(source);
    const container = containerOf(pod, source.container);
    return {
      name: `${source.namespace}/pod/${source.name}`,
      namespace,
      addresses,
      sandbox: {
        hostname: podHostname(pod),
        networkAdmin: false,
        env: environmentOf(pod, container, this.options.variablesOf(pod)),
        etc: this.podFiles(pod, addresses),
      },
    };
  }

  private ownNetwork(key: string): Pick<ExecPlace, "namespace" | "addresses"> | undefined {
    const attached = this.options.network.pods.get(key);
    return attached === undefined ? undefined : { namespace: attached.host.namespace, addresses: attached.addresses };
  }

  /** The network of the node that the pod runs on, once it runs. */
  private nodeOf(pod: Pod): Pick<ExecPlace, "namespace" | "addresses"> | undefined {
    const node = this.options.underlay.nodes.get(pod.spec.nodeName ?? "");
    if (node === undefined || podAddresses(pod).length === 0) return undefined;
    return { namespace: node.host.namespace, addresses: node.primary.addresses };
  }

  private podFiles(pod: Pod, addresses: readonly string[]): Record<string, string> {
    const owner = pod.metadata.uid ?? "";
    const known = this.files.get(owner);
    if (known !== undefined) return known;
    const { cluster, scratch } = this.options;
    const written = scratch.write(owner, {
      ...sandboxAccounts,
      "resolv.conf": resolvConf(pod, cluster),
      hosts: hostsFile(
        pod,
        addresses,
        cluster,
        isHostNetwork(pod) ? this.hostNames(pod.spec.nodeName ?? "", addresses) : undefined,
      ),
      "nsswitch.conf": nsswitchConf(),
      hostname: `${podHostname(pod)}\n`,
    });
    this.files.set(owner, written);
    return written;
  }

  /** The /etc/hosts of a node or of the outside. */
  private hostNames(owner: string, addresses: readonly string[]): string {
    const others = [...this.options.underlay.nodes.values()].filter(({ plan }) => plan.name !== owner);
    const known = others.flatMap(({ plan, primary }) =>
      primary.addresses.map((address) => `${address}\t${plan.name}\n`),
    );
    return ["127.0.0.1\tlocalhost\n", ...addresses.map((address) => `${address}\t${owner}\n`), ...known].join("");
  }

  /** Nodes and the outside know each other by name, and no cluster DNS: as on real machines. */
  private hostFiles(owner: string, addresses: readonly string[]): Record<string, string> {
    const before = this.files.get(owner);
    if (before !== undefined) return before;
    const written = this.options.scratch.write(`host-${owner}`, {
      ...sandboxAccounts,
      "resolv.conf": nodeResolvConf(),
      hosts: this.hostNames(owner, addresses),
      "nsswitch.conf": nsswitchConf(),
      hostname: `${owner}\n`,
    });
    this.files.set(owner, written);
    return written;
  }
}

function missing(what: string): LabError {
  return new LabError("SOURCE_MISSING", `${what} does not exist`, { hint: "cnilab status LAB shows what is there" });
}

function containerOf(pod: Pod, name: string | undefined): Container | undefined {
  if (name === undefined) return pod.spec.containers[0];
  const container = pod.spec.containers.find((each) => each.name === name);
  if (container !== undefined) return container;
  throw new LabError("SOURCE_MISSING", `pod ${pod.metadata.namespace}/${pod.metadata.name} has no container ${name}`, {
    hint: `its containers: ${pod.spec.containers.map((each) => each.name).join(", ")}`,
  });
}

function environmentOf(
  pod: Pod,
  container: Container | undefined,
  services: ServiceVariables | undefined,
): Record<string, string> {
  const variables = container === undefined ? services : environment(container, services);
  const known = [...(variables ?? [])].filter(([, value]) => value !== undefined);
  return { HOSTNAME: podHostname(pod), ...(Object.fromEntries(known) as Record<string, string>) };
}
