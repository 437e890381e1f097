import type { NodeToolResult } from "../types.ts";
import { foreignTables, iptablesRules, nftRules, type CountedRule, type MovedRule } from "./rules.ts";

/** Lines of one title at most; a node of a large cluster has tens of thousands of rules. */
const LINES = 80;
const DROPS = /\b(drop|reject)\b/i;
/** A counter that counted nothing: iptables-save -c and nft. */
const NOTHING_COUNTED = /^\[0:0\]|counter packets 0 /;

function isNamed(line: string, words: readonly RegExp[]): boolean {
  return words.some((word) => word.test(line));
}

/** An address or interface as a word of its own: 10.0.0.1 is not in 10.0.0.12. */
function wordPattern(word: string): RegExp {
  return new RegExp(`(?<![\\w.:-])${word.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w:-]|\\.\\w)`);
}

function bounded(lines: readonly string[]): string {
  if (lines.length === 0) return "nothing";
  const rest = lines.length - LINES;
  return [...lines.slice(0, LINES), ...(rest > 0 ? [`[${rest} more lines]`] : [])].join("\n");
}

/** The rules of `iptables-save -c` that dropped or rejected packets, or that name one of the words, each under its table. */
export function iptablesLines(saved: string, words: readonly RegExp[]): string[] {
  const lines: string[] = [];
  let table: string | undefined;
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = line;
    const drops = DROPS.test(line.replaceAll(/--comment ("[^"]*"|\S+)/g, "")) && !NOTHING_COUNTED.test(line);
    if (!line.startsWith("[") || !(drops || isNamed(line, words))) continue;
    if (table !== undefined) lines.push(table);
    table = undefined;
    lines.push(line);
  }
  return lines;
}

/**
 * The same of `nft list ruleset`, each rule under its table and chain. Tables that iptables-nft manages are left out: what
 * nft shows of them is less than iptables-save does; `warnings`, its standard error, names them.
 */
export function nftLines(ruleset: string, warnings: string, words: readonly RegExp[]): string[] {
  const foreign = foreignTables(warnings);
  const lines: string[] = [];
  let table = "";
  let tableHeading: string[] = [];
  let chainHeading: string[] = [];
  for (const raw of ruleset.split("\n")) {
    const line = raw.trim();
    if (raw.startsWith("table ")) {
      table = line.replace(/ \{$/, "");
      tableHeading = [raw];
      chainHeading = [];
    } else if (/^\t(chain|set|map) /.test(raw)) {
      chainHeading = [raw];
    } else if (
      !foreign.has(table) &&
      (isNamed(line, words) || (DROPS.test(line.replaceAll(/"[^"]*"/g, "")) && !NOTHING_COUNTED.test(line)))
    ) {
      lines.push(...tableHeading, ...chainHeading, raw);
      tableHeading = [];
      chainHeading = [];
    }
  }
  return lines;
}

/** Runs a tool of one node. */
export type RunOnNode = (argv: readonly string[]) => Promise<NodeToolResult>;

/** A node's rules at one moment. */
export interface RuleLook {
  iptables: { tool: "iptables" | "ip6tables"; saved: NodeToolResult }[];
  nft: NodeToolResult;
  rules: CountedRule[];
}

/** All rules of the node with their counters. */
export async function readRules(run: RunOnNode): Promise<RuleLook> {
  const tools = ["iptables", "ip6tables"] as const;
  const [saved, nft] = await Promise.all([
    Promise.all(tools.map((tool) => run([`${tool}-save`, "-c"]))),
    run(["nft", "list", "ruleset"]),
  ]);
  return {
    iptables: tools.map((tool, index) => ({ tool, saved: saved[index] as NodeToolResult })),
    nft,
    rules: [
      ...saved.flatMap(({ stdout }) => iptablesRules(stdout)),
      ...nftRules(nft.stdout, `${nft.stdout}\n${nft.stderr}`),
    ],
  };
}

/** What a node's kernel says of addresses, apart from its rules. */
export interface KernelLook {
  routes: { address: string; found: NodeToolResult }[];
  conntrack: { family: "ipv4" | "ipv6"; found: NodeToolResult }[];
  /** Interfaces of pods that the routes lead to: rules that name them are about these addresses. */
  devices: string[];
}

/** The routes to these addresses and the connections that the node tracks. */
export async function readKernel(addresses: readonly string[], run: RunOnNode): Promise<KernelLook> {
  const families = [
    ...(addresses.some((address) => !address.includes(":")) ? (["ipv4"] as const) : []),
    ...(addresses.some((address) => address.includes(":")) ? (["ipv6"] as const) : []),
  ];
  const [routes, flows] = await Promise.all([
    Promise.all(addresses.map((address) => run(["ip", "route", "get", address]))),
    Promise.all(families.map((family) => run(["conntrack", "-L", "-f", family]))),
  ]);
  const devices = routes.flatMap(({ stdout }) => /\bdev (\S+)/.exec(stdout)?.[1] ?? []);
  return {
    routes: addresses.map((address, index) => ({ address, found: routes[index] as NodeToolResult })),
    conntrack: families.map((family, index) => ({ family, found: flows[index] as NodeToolResult })),
    // Others are shared by all traffic of the node.
    devices: [...new Set(devices)].filter((device) => /^(cali|veth|lxc|vethwe)/.test(device)),
  };
}

/**
 * What was read of a node as texts, bounded: its routes to the addresses, the rules that counted packets meanwhile, that
 * dropped any ever or that name the addresses or their interfaces, and the addresses' conntrack entries. What a tool
 * that the node lacks would show is said to be missing.
 */
export function nodeTexts(
  node: string,
  { routes, conntrack, devices }: KernelLook,
  { iptables, nft }: RuleLook,
  moved: readonly MovedRule[],
): { title: string; text: string }[] {
  const text = (result: NodeToolResult, lines: (stdout: string) => string[]): string =>
    result.ok ? bounded(lines(result.stdout)) : `not to be had: ${result.reason}`;
  const words = [...routes.map(({ address }) => address), ...devices].map(wordPattern);
  const hasFamily = (tool: string): boolean =>
    conntrack.some(({ family }) => tool === (family === "ipv4" ? "iptables" : "ip6tables"));
  const counted = moved.toSorted((a, b) => Number(b.blocks) - Number(a.blocks));
  return [
    {
      title: `routes of ${node}`,
      text: routes
        .map(({ address, found }) => (found.ok ? found.stdout.trim() : `${address}: ${found.reason}`))
        .join("\n"),
    },
    {
      title: `rules of ${node} that counted packets meanwhile`,
      text: bounded(counted.map((rule) => `+${rule.moved} ${rule.chain}: ${rule.text}`)),
    },
    ...iptables
      .filter(({ tool }) => hasFamily(tool))
      .map(({ tool, saved }) => ({
        title: `${tool} rules of ${node}`,
        text: text(saved, (stdout) => iptablesLines(stdout, words)),
      })),
    {
      title: `nftables rules of ${node}`,
      text: text(nft, (stdout) => nftLines(stdout, `${stdout}\n${nft.stderr}`, words)),
    },
    ...conntrack.map(({ family, found }) => ({
      title: `${family} conntrack entries of ${node}`,
      text: text(found, (stdout) => stdout.split("\n").filter((line) => isNamed(line, words))),
    })),
  ];
}
