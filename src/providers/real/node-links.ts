import { LabError } from "../../core/errors.ts";
import type { NodeLinks } from "../capture.ts";
import type { Agents } from "./types.ts";

/** One line an address (ip(8) -o): index, interface, family, address/length. */
const LINE = /^\d+: +(\S+) +inet6? +([0-9a-f.:]+)/;

/**
 * What a node has towards other nodes: the interfaces that have one of its node addresses, and those of the planned names, which are
 * its other networks'. Rejects with LOOK_FAILED, AGENT_LOST.
 */
export async function readNodeLinks(
  agents: Agents,
  node: string,
  { addresses, planned }: { addresses: readonly string[]; planned: readonly string[] },
): Promise<NodeLinks> {
  const result = await agents.nodeTool(node, ["ip", "-o", "addr", "show"]);
  if (!result.ok) throw new LabError("LOOK_FAILED", `${node} does not say its addresses: ${result.reason}`);
  return linksIn(result.stdout, { addresses, planned });
}

/** The same from what `ip -o addr show` printed. */
export function linksIn(
  text: string,
  { addresses, planned }: { addresses: readonly string[]; planned: readonly string[] },
): NodeLinks {
  const found = text.split("\n").flatMap((line) => {
    const [, name, address] = LINE.exec(line) ?? [];
    return name === undefined || address === undefined ? [] : [{ name, address }];
  });
  const names = new Set(planned);
  for (const { name, address } of found) if (addresses.includes(address)) names.add(name);
  const own = found.filter(({ name }) => names.has(name));
  return { names: [...new Set(own.map(({ name }) => name))], addresses: own.map(({ address }) => address) };
}
