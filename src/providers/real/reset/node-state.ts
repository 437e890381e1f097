import { LabError } from "../../../core/errors.ts";
import { podAddresses } from "../../../kube/pods.ts";
import type { Pod, Service } from "../../../kube/types.ts";
import { clusterIps } from "../../../kube/workloads.ts";
import { SYSTEM_NAMESPACE } from "../sentinel-objects.ts";
import type { Agents } from "../types.ts";
import { isRoutedAlike } from "./route-facts.ts";

const TIMEOUT_MS = 10_000;

/** What a node's kernel is asked, and how its answer becomes lines that can be compared. */
const QUESTIONS: readonly { what: string; argv: string[]; lines: (output: string) => string[] }[] = [
  { what: "iptables", argv: ["iptables-save"], lines: tableLines },
  { what: "ip6tables", argv: ["ip6tables-save"], lines: tableLines },
  { what: "nftables", argv: ["nft", "list", "tables"], lines: plainLines },
  { what: "route", argv: ["ip", "-4", "route", "show", "table", "all"], lines: plainLines },
  { what: "route6", argv: ["ip", "-6", "route", "show", "table", "all"], lines: ipv6RouteLines },
  { what: "link", argv: ["ip", "-o", "link"], lines: linkLines },
];

/** One thing a node's kernel has: "iptables filter -A FORWARD -j DROP". */
export type NodeFact = string;

/** The node's rules, routes and links, without counters and interface numbers. */
export async function readNode(agents: Agents, node: string): Promise<NodeFact[]> {
  const facts = await Promise.all(
    QUESTIONS.map(async ({ what, argv, lines }) => {
      const { exitCode, stdout, stderr } = await agents.exec({ kind: "node", node }, argv, { timeoutMs: TIMEOUT_MS });
      if (exitCode !== 0)
        throw new LabError("RESET_UNCLEAN", `node ${node}: ${argv.join(" ")} failed: ${stderr.trim()}`);
      return lines(stdout).map((line) => `${what} ${line}`);
    }),
  );
  return facts.flat();
}

function plainLines(output: string): string[] {
  return output.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
}

/** Without those to link-local and multicast addresses, which the kernel gives every link. */
function ipv6RouteLines(output: string): string[] {
  return plainLines(output).filter((line) => !/^(?:(?:local|anycast|multicast) )?(?:fe80:|ff00::)/.test(line));
}

/** Rules by their table, chains without their counters. */
function tableLines(output: string): string[] {
  let table = "";
  return plainLines(output).flatMap((line) => {
    if (line.startsWith("#") || line === "COMMIT") return [];
    if (isOfDockersResolver(line)) return [];
    if (!line.startsWith("*")) return [`${table} ${line.replace(/ \[\d+:\d+\]$/, "")}`];
    table = line.slice(1);
    return [];
  });
}

/** Docker's resolver (127.0.0.11) listens on other ports after each start of a container, and redirects to them. */
function isOfDockersResolver(line: string): boolean {
  return /^-A DOCKER_(OUTPUT|POSTROUTING) .*\b127\.0\.0\.11\b/.test(line);
}

function linkLines(output: string): string[] {
  return plainLines(output).map((line) => {
    const [, name = "", flags = ""] = /^\d+: ([^:@]+)(?:@\S+)?: <([^>]*)>/.exec(line) ?? [];
    return `${name} ${flags.split(",").includes("UP") ? "up" : "down"}`;
  });
}

/**
 * Names and addresses of what the cluster holds now, and so of rules that may be new. `facts` are those of all nodes: a
 * pod's interface is known by the route to it.
 */
export function tokensOf(
  pods: readonly Pod[],
  services: readonly Service[],
  facts: readonly NodeFact[],
): ReadonlySet<string> {
  const own = pods.filter(({ spec }) => spec.hostNetwork !== true).flatMap(podAddresses);
  const addresses = new Set([...own, ...services.flatMap(clusterIps)]);
  const names = services.map(({ metadata: { namespace, name } }) => `${namespace}/${name}`);
  const interfaces = facts.flatMap((fact) => {
    const [, address = "", dev = ""] = /^route6? (\S+) dev (\S+)/.exec(fact) ?? [];
    return addresses.has(address) ? [dev] : [];
  });
  return new Set([...addresses, ...names, ...interfaces, SYSTEM_NAMESPACE]);
}

/**
 * What differs between two states of a node and is not explained by `tokens`: addresses, interfaces and names of what
 * the cluster holds now. A chain that is new and belongs to an explained rule is explained with all its rules.
 */
export function residue(
  before: readonly NodeFact[],
  now: readonly NodeFact[],
  tokens: ReadonlySet<string>,
): { extra: NodeFact[]; missing: NodeFact[] } {
  const earlier = new Set(before);
  const later = new Set(now);
  const known = new Set(before.flatMap(chainsOf));
  const extra = now.filter((fact) => !earlier.has(fact));
  const explained = new Set(extra.filter((fact) => wordsOf(fact).some((word) => tokens.has(word))));
  const chains = new Set<string>();
  for (let size = -1; size !== explained.size;) {
    size = explained.size;
    for (const fact of explained) for (const chain of chainsOf(fact)) if (!known.has(chain)) chains.add(chain);
    for (const fact of extra) if (chainsOf(fact).some((chain) => chains.has(chain))) explained.add(fact);
  }
  return {
    extra: extra.filter((fact) => !explained.has(fact) && !isRoutedAlike(fact, before)),
    missing: before.filter((fact) => !later.has(fact) && !isOfPast(fact, before, later) && !isRoutedAlike(fact, now)),
  };
}

/** Rules of pods and Services that are gone: their chains went whole. */
function isOfPast(fact: NodeFact, before: readonly NodeFact[], later: ReadonlySet<NodeFact>): boolean {
  if (/^route6? /.test(fact) && / dev (cali|veth|lxc|weave)/.test(fact)) return true;
  if (/^link (cali|veth|vethwe|lxc)/.test(fact)) return true;
  return chainsOf(fact).some((chain) => {
    const declaration = before.find((each) => each.endsWith(` :${chain} -`));
    return declaration !== undefined && !later.has(declaration);
  });
}

/** Chains that a rule or declaration of iptables-save names. */
function chainsOf(fact: NodeFact): string[] {
  return [...fact.matchAll(/(?:^\S+ \S+ :| -A | -[jg] )(\S+)/g)].map(([, chain = ""]) => chain);
}

/** Names and addresses in a fact: prefix lengths, ports and what CNIs put around namespaces' names taken off. */
function wordsOf(fact: NodeFact): string[] {
  return fact.split(/[\s",]+/).flatMap((word) => [
    word,
    word.replace(/[/:].*$/, ""),
    // An IPv6 address has colons of its own.
    word.replace(/\/.*$/, ""),
    word.replace(/^.*(kns|ksa)\.([^.]+).*$/, "$2"),
    word.replace(/:.*$/, ""),
  ]);
}
