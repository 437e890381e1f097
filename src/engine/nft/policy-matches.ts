import type { NetworkPolicyPort } from "../../kube/types.ts";
import type { Family } from "./address-ranges.ts";
import { comment } from "./names.ts";
import { portMatches } from "./policy-ports.ts";
import type { PolicySets, SetReference } from "./policy-sets.ts";

/** The sets that list what was dropped, by direction (see evidence.ts for their elements). */
export const DROP_SETS = { ingress: "drops-ingress", egress: "drops-egress" } as const;

export type Direction = "ingress" | "egress";

/** What differs between the directions: the pod's own end of a packet, and whose address the peers are matched with. */
export const SIDES = {
  egress: { interfaceKey: "iifname", ownField: "saddr", peerField: "daddr" },
  ingress: { interfaceKey: "oifname", ownField: "daddr", peerField: "saddr" },
} as const;

/** One alternative of a rule's condition, with a blank at its end unless it is empty; without a family it holds for both. */
export interface MatchText {
  family?: Family;
  text: string;
}

/** Whether the other end is in one of these sets; undefined: whoever it is. */
export function peerTexts(peers: readonly SetReference[] | undefined, direction: Direction): MatchText[] {
  if (peers === undefined) return [{ text: "" }];
  return peers.map(({ family, name }) => ({ family, text: `${family} ${SIDES[direction].peerField} @${name} ` }));
}

/** Whether the destination's port is one of these; undefined or empty: whatever it is. */
export function portTexts(ports: readonly NetworkPolicyPort[] | undefined, sets: PolicySets): MatchText[] {
  return (portMatches(ports) ?? [{ text: "" }]).flatMap((match): MatchText[] =>
    "text" in match
      ? [{ text: match.text === "" ? "" : `${match.text} ` }]
      : sets.namedPort(match.named).map(({ family, name }) => ({
          family,
          text: `${family} daddr . meta l4proto . th dport @${name} `,
        })),
  );
}

/** One rule for each pair of alternatives that can both hold of a packet. */
export function ruleLines(
  { peers, ports }: { peers: readonly MatchText[]; ports: readonly MatchText[] },
  verdict: string,
  note: string,
): string[] {
  return peers.flatMap((peer) =>
    ports
      .filter(({ family }) => family === undefined || peer.family === undefined || family === peer.family)
      .map((port) => `${peer.text}${port.text}counter ${verdict} ${comment(note)}`),
  );
}
