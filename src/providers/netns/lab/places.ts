import { LabError } from "../../../core/errors.ts";
import { hostsFile, nodeResolvConf, nsswitchConf, podHostname, resolvConf } from "../../../engine/nameserver/resolv.ts";
import type { ObjectStore } from "../../../engine/store/store.ts";
import type { Container, Pod } from "../../../kube/types.ts";
import type { PlannedCluster } from "../../../plan/types.ts";
import type { Source } from "../../types.ts";
import type { ExecPlace } from "./exec.ts";
import type { PodNetwork } from "./pod-network.ts";
import type { Scratch } from "./scratch.ts";
import { EXTERNAL } from "./underlay.ts";
import type { Underlay } from "./underlay.ts";

/** Accounts and groups that tools expect to find; nothing of the host's. */
const ACCOUNTS = {
  // tcpdump changes to this user; only id 0 exists in the lab's user namespace.
  passwd:
    "root:x:0:0:root:/root:/bin/sh\ntcpdump:x:0:0::/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
  group: "root:x:0:\nnogroup:x:65534:\n",
};

export interface PlacesOptions {
  store: ObjectStore;
  underlay: Underlay;
  network: PodNetwork;
  scratch: Scratch;
  cluster: PlannedCluster;
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
        return {
          name: "external",
          namespace: this.options.underlay.external.namespace,
          addresses: [EXTERNAL.address],
          sandbox: {
            hostname: "external",
            networkAdmin: false,
            env: {},
            etc: this.hostFiles("external", [EXTERNAL.address]),
          },
        };
    }
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

  private pod(source: Source & { kind: "pod" }): ExecPlace {
    const key = `${source.namespace}/${source.name}`;
    const pod = this.options.store.get("Pod", source.name, source.namespace);
    if (pod === undefined) throw missing(`pod ${key}`);
    const attached = this.options.network.pods.get(key);
    if (attached === undefined) {
      throw new LabError("SOURCE_NOT_READY", `pod ${key} has no network yet: ${pod.status?.phase ?? "Pending"}`);
    }
    const container = containerOf(pod, source.container);
    return {
      name: `${source.namespace}/pod/${source.name}`,
      namespace: attached.host.namespace,
      addresses: attached.addresses,
      sandbox: {
        hostname: podHostname(pod),
        networkAdmin: false,
        env: environment(pod, container),
        etc: this.podFiles(pod, attached.addresses),
      },
    };
  }

  private podFiles(pod: Pod, addresses: readonly string[]): Record<string, string> {
    const owner = pod.metadata.uid ?? "";
    const known = this.files.get(owner);
    if (known !== undefined) return known;
    const { cluster, scratch } = this.options;
    const written = scratch.write(owner, {
      ...ACCOUNTS,
      "resolv.conf": resolvConf(pod, cluster),
      hosts: hostsFile(pod, addresses, cluster),
      "nsswitch.conf": nsswitchConf(),
      hostname: `${podHostname(pod)}\n`,
    });
    this.files.set(owner, written);
    return written;
  }

  /** Nodes and the outside know each other by name, and no cluster DNS: as on real machines. */
  private hostFiles(owner: string, addresses: readonly string[]): Record<string, string> {
    const before = this.files.get(owner);
    if (before !== undefined) return before;
    const others = [...this.options.underlay.nodes.values()].filter(({ plan }) => plan.name !== owner);
    const known = others.flatMap(({ plan, primary }) =>
      primary.addresses.map((address) => `${address}\t${plan.name}\n`),
    );
    const written = this.options.scratch.write(`host-${owner}`, {
      ...ACCOUNTS,
      "resolv.conf": nodeResolvConf(),
      hosts: ["127.0.0.1\tlocalhost\n", ...addresses.map((address) => `${address}\t${owner}\n`), ...known].join(""),
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

function environment(pod: Pod, container: Container | undefined): Record<string, string> {
  const own = (container?.env ?? []).flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { HOSTNAME: podHostname(pod), ...Object.fromEntries(own) };
}
