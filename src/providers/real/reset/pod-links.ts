import { LabError } from "../../../core/errors.ts";
import { isPodTerminal } from "../../../kube/pods.ts";
import type { Pod } from "../../../kube/types.ts";
import { placeOfPod } from "../places.ts";
import type { Agents, Place } from "../types.ts";

const TIMEOUT_MS = 10_000;
const SHOW_LINKS = ["ip", "-o", "link"];

/**
 * Names of the links that are nodes' ends of these pods' own. CNIs with a bridge (Flannel, Weave) have no route to a pod that
 * would tell; what each end knows is the other's number.
 */
export async function podLinks(agents: Agents, pods: readonly Pod[]): Promise<Set<string>> {
  const own = pods.filter(
    (pod) => pod.spec.hostNetwork !== true && pod.spec.nodeName !== undefined && !isPodTerminal(pod),
  );
  const nodes = [...new Set(own.map(({ spec }) => spec.nodeName ?? ""))];
  const linksOfNodes = new Map(
    await Promise.all(
      nodes.map(async (node) => [node, linkNames(await shown(agents, { kind: "node", node }))] as const),
    ),
  );
  const found = await Promise.all(
    own.map(async (pod) => {
      const peers = peerNumbers(await shown(agents, placeOfPod(pod)));
      return peers.flatMap((peer) => linksOfNodes.get(pod.spec.nodeName ?? "")?.get(peer) ?? []);
    }),
  );
  return new Set(found.flat());
}

/** Nothing of a pod that ended meanwhile. */
async function shown(agents: Agents, place: Place): Promise<string> {
  try {
    return (await agents.exec(place, SHOW_LINKS, { timeoutMs: TIMEOUT_MS })).stdout;
  } catch (error) {
    if (error instanceof LabError && error.code === "SOURCE_MISSING") return "";
    throw error;
  }
}

/** `12: veth1a2b@if3: <…>`: the names by their numbers. */
function linkNames(output: string): Map<string, string> {
  return new Map([...output.matchAll(/^(\d+): ([^:@\s]+)/gm)].map(([, number = "", name = ""]) => [number, name]));
}

/** `3: eth0@if12: <…>`: 12. */
function peerNumbers(output: string): string[] {
  return [...output.matchAll(/^\d+: [^:@\s]+@if(\d+):/gm)].map(([, number = ""]) => number);
}
