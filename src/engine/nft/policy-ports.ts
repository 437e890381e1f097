import { LabError } from "../../core/errors.ts";
import { resolveNamedPort } from "../../kube/pods.ts";
import type { NetworkPolicyPort, Protocol } from "../../kube/types.ts";
import { unionRanges } from "./address-ranges.ts";
import type { Family } from "./address-ranges.ts";
import type { PolicyWorld } from "./policy-peers.ts";

/** A named port's set: of each family, who listens where under that name. */
export interface NamedPort {
  name: string;
  protocol: Protocol;
}

/** A match of the transport header; without `named`, `text` holds for both families. */
export type PortMatch = { text: string } | { named: NamedPort };

const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const;

function portRange({ port, endPort }: NetworkPolicyPort): { first: bigint; last: bigint } {
  const first = BigInt(port ?? 0);
  const last = BigInt(endPort ?? port ?? 65535);
  if (last < first || last > 65535n) {
    throw new LabError("POLICY_BAD_PORT_RANGE", `a NetworkPolicy's port range ${first}-${last} is not one`, {
      hint: "endPort must not be less than port",
    });
  }
  return { first, last };
}

function numericMatch(protocol: Protocol, ports: readonly NetworkPolicyPort[]): PortMatch[] {
  const word = protocol.toLowerCase();
  if (ports.some(({ port }) => port === undefined)) return [{ text: `meta l4proto ${word}` }];
  const ranges = unionRanges(ports.map(portRange));
  const texts = ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  if (texts.length === 0) return [];
  return [{ text: `${word} dport ${texts.length === 1 ? texts[0] : `{ ${texts.join(", ")} }`}` }];
}

/**
 * The alternatives that a rule's `ports` stand for; undefined where every port of every protocol is meant (an absent or
 * empty list). The protocol's default is TCP; a protocol without a port means all its ports.
 */
export function portMatches(ports: readonly NetworkPolicyPort[] | undefined): PortMatch[] | undefined {
  if (ports === undefined || ports.length === 0) return undefined;
  return PROTOCOLS.flatMap((protocol) => {
    const own = ports.filter((port) => (port.protocol ?? "TCP") === protocol);
    const names = new Set(own.map(({ port }) => port).filter((port) => typeof port === "string"));
    return [
      ...numericMatch(
        protocol,
        own.filter(({ port }) => typeof port !== "string"),
      ),
      ...[...names].map((name): PortMatch => ({ named: { name, protocol } })),
    ];
  });
}

/**
 * Elements (address, protocol, port) of a named port's set. The name is the destination pod's: each pod says itself
 * which number it stands for, on ingress and on egress.
 */
export function namedPortElements({ name, protocol }: NamedPort, world: PolicyWorld): Record<Family, string[]> {
  const elements: Record<Family, string[]> = { ip: [], ip6: [] };
  for (const { pod, addresses } of world.pods) {
    for (const port of new Set(resolveNamedPort(pod.spec, name, protocol))) {
      for (const { text, family } of addresses) elements[family].push(`${text} . ${protocol.toLowerCase()} . ${port}`);
    }
  }
  return { ip: elements.ip.toSorted(), ip6: elements.ip6.toSorted() };
}
