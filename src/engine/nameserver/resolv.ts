import type { Pod } from "../../kube/types.ts";
import { isRecord } from "../store/json.ts";

/** What a pod's resolver is told: the cluster's name server and domain. */
export interface ResolverFacts {
  dnsAddress: string;
  dnsDomain: string;
}

/** The node's own resolv.conf in a lab: nobody answers for the world outside. */
const NODE_RESOLV_CONF = "# a lab has no name server outside the cluster\n";

/**
 * A pod's /etc/resolv.conf as the kubelet writes it for its dnsPolicy and dnsConfig
 * (kubernetes.io/docs/concepts/services-networking/dns-pod-service).
 */
export function resolvConf(pod: Pod, { dnsAddress, dnsDomain }: ResolverFacts): string {
  const { dnsPolicy = "ClusterFirst", hostNetwork } = pod.spec;
  const namespace = pod.metadata.namespace ?? "default";
  const isCluster = dnsPolicy === "ClusterFirstWithHostNet" || (dnsPolicy === "ClusterFirst" && hostNetwork !== true);
  const config = isRecord(pod.spec["dnsConfig"]) ? pod.spec["dnsConfig"] : {};
  const nameservers = unique([...(isCluster ? [dnsAddress] : []), ...strings(config["nameservers"])]).slice(0, 3);
  const searches = unique([...(isCluster ? [`${namespace}.svc.${dnsDomain}`, `svc.${dnsDomain}`, dnsDomain] : []), ...strings(config["searches"])]).slice(0, 32);
  const options = mergedOptions(isCluster ? [["ndots", "5"]] : [], config["options"]);
  const lines = [
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
  ];
  return lines.length === 0 ? NODE_RESOLV_CONF : `${lines.join("\n")}\n`;
}

/** dnsConfig.options over the policy's own; the last of a name counts. */
function mergedOptions(base: readonly [string, string][], extra: unknown): string[] {
  const options = new Map<string, string | undefined>(base);
  for (const option of Array.isArray(extra) ? extra : []) {
    if (!isRecord(option) || typeof option["name"] !== "string") continue;
    options.set(word(option["name"]), option["value"] === undefined ? undefined : word(String(option["value"])));
  }
  return [...options].map(([name, value]) => (value === undefined ? name : `${name}:${value}`));
}

/** A pod's /etc/hosts as the kubelet writes it, hostAliases included. */
export function hostsFile(pod: Pod, addresses: readonly string[]): string {
  const hostname = pod.spec.hostname ?? pod.metadata.name;
  const { subdomain } = pod.spec;
  const fqdn = subdomain === undefined ? [] : [`${hostname}.${subdomain}.${pod.metadata.namespace ?? "default"}.svc.cluster.local`];
  const aliases = Array.isArray(pod.spec["hostAliases"]) ? pod.spec["hostAliases"] : [];
  const lines = [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
    ...addresses.map((address) => [address, ...fqdn, hostname].join("\t")),
    ...aliases.flatMap((alias) => (isRecord(alias) ? [[word(String(alias["ip"])), ...strings(alias["hostnames"])].join("\t")] : [])),
  ];
  return `${lines.join("\n")}\n`;
}

/** Files first, then DNS, and nothing else: no mDNS, no host's resolver daemon. */
export function nsswitchConf(): string {
  return "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n";
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.map((item) => word(String(item))) : [];
}

/** One word of a resolver's file: a manifest must not be able to add lines to it. */
function word(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]/g, "");
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}

const MAX_HOSTNAME_CHARACTERS = 63;

/** The pod's host name: its spec's, or its own name cut to what a host name holds. */
export function podHostname(pod: Pod): string {
  if (pod.spec.hostname !== undefined && pod.spec.hostname !== "") return pod.spec.hostname;
  return pod.metadata.name.slice(0, MAX_HOSTNAME_CHARACTERS).replace(/[-.]+$/, "");
}

/**
 * The resolv.conf of a lab's node, which has no upstream resolver. The loopback address answers at once that nothing
 * listens there, where an address that nobody has would let every lookup wait.
 */
export function nodeResolvConf(): string {
  return "nameserver 127.0.0.1\n";
}
