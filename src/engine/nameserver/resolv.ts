import { isRecord } from "../../core/is-record.ts";
import type { Pod } from "../../kube/types.ts";

/** What a pod's resolver is told: the cluster's name server and domain. */
export interface ResolverFacts {
  dnsAddress: string;
  dnsDomain: string;
}

/** The node's name server: the loopback address, where nothing listens ({@link nodeResolvConf}). */
const NODE_NAMESERVERS = ["127.0.0.1"];

/** Limits of the kubelet (validation.MaxDNSNameservers, MaxDNSSearchPaths, MaxDNSSearchListChars). */
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;
const MAX_NAME_CHARACTERS = 253;
const MAX_HOSTNAME_CHARACTERS = 63;

const LOOPBACK = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
/** As the kubelet has them, wrong prefix and all. */
const MULTICAST = "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";

/**
 * A pod's /etc/resolv.conf as the kubelet writes it for its dnsPolicy and dnsConfig
 * (kubernetes.io/docs/concepts/services-networking/dns-pod-service).
 */
export function resolvConf(pod: Pod, { dnsAddress, dnsDomain }: ResolverFacts): string {
  const { dnsPolicy = "ClusterFirst", hostNetwork } = pod.spec;
  const namespace = pod.metadata.namespace ?? "default";
  const isCluster = dnsPolicy === "ClusterFirstWithHostNet" || (dnsPolicy === "ClusterFirst" && hostNetwork !== true);
  const config = isRecord(pod.spec["dnsConfig"]) ? pod.spec["dnsConfig"] : {};
  const policyNameservers = dnsPolicy === "None" ? [] : isCluster ? [dnsAddress] : NODE_NAMESERVERS;
  const nameservers = unique([...policyNameservers, ...strings(config["nameservers"])]).slice(0, MAX_NAMESERVERS);
  const policySearches = isCluster ? [`${namespace}.svc.${dnsDomain}`, `svc.${dnsDomain}`, dnsDomain] : [];
  const searches = fittingSearches(unique([...policySearches, ...strings(config["searches"])]));
  const options = mergedOptions(isCluster ? [["ndots", "5"]] : [], config["options"]);
  const lines = [
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
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

/**
 * A pod's /etc/hosts as the kubelet writes it, hostAliases included. A pod on its node's network gets the node's own
 * file, which the caller passes on.
 */
export function hostsFile(
  pod: Pod,
  addresses: readonly string[],
  { dnsDomain }: Pick<ResolverFacts, "dnsDomain">,
  nodeHosts: string = LOOPBACK,
): string {
  if (pod.spec.hostNetwork === true)
    return `# Kubernetes-managed hosts file (host network).\n${nodeHosts}${aliasLines(pod)}`;
  const hostname = podHostname(pod);
  const { subdomain = "" } = pod.spec;
  const names =
    subdomain === ""
      ? [hostname]
      : [`${hostname}.${subdomain}.${pod.metadata.namespace ?? "default"}.svc.${dnsDomain}`, hostname];
  const own = addresses.map((address) => `${[address, ...names].map(word).join("\t")}\n`).join("");
  return `# Kubernetes-managed hosts file.\n${LOOPBACK}${MULTICAST}${own}${aliasLines(pod)}`;
}

function aliasLines(pod: Pod): string {
  const aliases = Array.isArray(pod.spec["hostAliases"]) ? pod.spec["hostAliases"].filter(isRecord) : [];
  if (aliases.length === 0) return "";
  const lines = aliases.map((alias) => `${[word(String(alias["ip"])), ...strings(alias["hostnames"])].join("\t")}\n`);
  return `\n# Entries added by HostAliases.\n${lines.join("")}`;
}

/** Files first, then DNS, and nothing else: no mDNS, no host's resolver daemon. */
export function nsswitchConf(): string {
  return "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n";
}

function fittingSearches(searches: readonly string[]): string[] {
  const fitting = searches.slice(0, MAX_SEARCHES).filter((search) => search.length <= MAX_NAME_CHARACTERS);
  while (fitting.join(" ").length > MAX_SEARCH_CHARACTERS) fitting.pop();
  return fitting;
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

/** The pod's host name: on its node's network the node's, else its spec's, or its own name cut to what a host name holds. */
export function podHostname(pod: Pod): string {
  if (pod.spec.hostNetwork === true) return pod.spec.nodeName ?? "";
  if (pod.spec.hostname !== undefined && pod.spec.hostname !== "") return pod.spec.hostname;
  return pod.metadata.name.slice(0, MAX_HOSTNAME_CHARACTERS).replace(/[-.]+$/, "");
}

/**
 * The resolv.conf of a lab's node, which has no upstream resolver. The loopback address answers at once that nothing
 * listens there, where an address that nobody has would let every lookup wait.
 */
export function nodeResolvConf(): string {
  return NODE_NAMESERVERS.map((address) => `nameserver ${address}\n`).join("");
}
