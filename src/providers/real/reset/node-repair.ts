import { LabError } from "../../../core/errors.ts";
import type { Agents } from "../types.ts";
import type { NodeFact } from "./node-state.ts";

const TIMEOUT_MS = 10_000;

/**
 * Removes what a lab left on a node by hand: rules, then chains, routes and links that agents do not know and so leave
 * alone. What cannot be removed is found by the next look.
 */
export async function removeFacts(agents: Agents, node: string, facts: readonly NodeFact[]): Promise<void> {
  for (const argv of facts.flatMap(removal).toSorted((a, b) => order(a) - order(b))) {
    await agents.exec({ kind: "node", node }, argv, { timeoutMs: TIMEOUT_MS });
  }
}

/**
 * Makes a node ask anew who has an address. CNIs give a pod's address out again at once, and a node that remembers the pod
 * before (neighbour states of ip-neighbour(8)) sends into the void for seconds. Permanent entries, which CNIs write, stay.
 */
export async function forgetNeighbours(agents: Agents, node: string): Promise<void> {
  const argv = ["ip", "neigh", "flush", "all"];
  const { exitCode, stderr } = await agents.exec({ kind: "node", node }, argv, { timeoutMs: TIMEOUT_MS });
  if (exitCode !== 0) throw new LabError("RESET_UNCLEAN", `node ${node}: ${argv.join(" ")} failed: ${stderr.trim()}`);
}

function removal(fact: NodeFact): string[][] {
  const [what = "", first = "", second = "", ...rest] = words(fact);
  if (what === "iptables" || what === "ip6tables") {
    if (second === "-A") return [[what, "-w", "-t", first, "-D", ...rest]];
    if (second.startsWith(":") && rest[0] === "-") return [[what, "-w", "-t", first, "-X", second.slice(1)]];
    return [];
  }
  if (what === "nftables") return [["nft", "delete", "table", second, ...rest]];
  const route = [first, second, ...rest].filter((word) => word !== "linkdown");
  if (what === "route") return [["ip", "route", "del", ...route]];
  if (what === "route6") return [["ip", "-6", "route", "del", ...route]];
  return what === "link" && second === "up" ? [["ip", "link", "delete", first]] : [];
}

/** Chains go after the rules that lead to them. */
function order(argv: readonly string[]): number {
  return argv.includes("-X") ? 1 : 0;
}

/** Words as a shell would split them; iptables-save quotes comments. */
function words(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replaceAll(/\\(.)/g, "$1"),
  );
}
