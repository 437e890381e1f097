import type { Observation } from "../grade/types.ts";
import type { SweepCellResult } from "../providers/types.ts";
import { observation, proofText } from "./observe.ts";

/** What the errno of a connection attempt means; from connect(2), ip(7), and the ICMP codes of tcp_v4_err. */
const ERRNO_MEANING: Readonly<Record<string, string>> = {
  EHOSTUNREACH: "no route to host (ICMP host unreachable or prohibited, or no neighbour answered)",
  ENETUNREACH: "network unreachable (ICMP net unreachable, or no route)",
  EACCES: "prohibited (ICMP administratively prohibited, or a prohibit route)",
  EPERM: "not permitted (rejected by a rule of the source's own namespace)",
};

/**
 * What a socket saw, as an observation: `answered` → allowed, `refused` and `unreachable` → rejected, `no-answer` →
 * dropped. Silence on UDP without a kernel record is ambiguous, which its reason says; only a positive control beside it
 * makes it count.
 */
export function observeSweepCell(result: SweepCellResult, protocol: "tcp" | "udp"): Observation {
  const { latencyMs, proof, detail } = result;
  switch (result.outcome) {
    case "answered":
      return observation("allowed", protocol === "tcp" ? "connected" : `answered (${detail})`, { latencyMs });
    case "refused": {
      if (proof !== undefined) return observation("rejected", proofText(proof, "rejected"), { latencyMs, proof });
      if (detail !== "ECONNREFUSED") return observation("rejected", `refused by ${detail}`, { latencyMs });
      // On TCP too the errno stands for RST and for ICMP port unreachable.
      const reason =
        protocol === "tcp" ? "connection refused" : "refused (ICMP port unreachable): nothing listens there";
      return observation("rejected", reason, { latencyMs });
    }
    case "unreachable": {
      // ETIMEDOUT is the kernel giving up on its own retransmits: silence, not a refusal.
      if (detail.includes("ETIMEDOUT")) return silence(result, protocol);
      if (proof !== undefined) return observation("rejected", proofText(proof, "rejected"), { latencyMs, proof });
      return observation("rejected", ERRNO_MEANING[detail] ?? `unreachable: ${detail}`, {
        latencyMs,
        evidence: [{ kind: "icmp", text: `connect: ${detail}` }],
      });
    }
    case "no-answer":
      return silence(result, protocol);
    case "error":
      return observation("error", `the connection could not be tried: ${detail}`, { latencyMs });
  }
}

function silence({ proof, latencyMs, detail }: SweepCellResult, protocol: "tcp" | "udp"): Observation {
  if (proof !== undefined) return observation("dropped", proofText(proof, "dropped"), { latencyMs, proof });
  if (detail.startsWith("kube-proxy ")) return observation("dropped", `dropped by ${detail}`, { latencyMs });
  const waited = `${Math.round(latencyMs)} ms`;
  const reason =
    protocol === "tcp"
      ? `no answer to SYN within ${waited}`
      : `no answer within ${waited} and no ICMP error: dropped, or the server does not answer such a datagram`;
  return observation("dropped", reason, { latencyMs });
}
