import type { ProbeOutcome } from "./probe-round.ts";

const ECONNREFUSED = 111;
/** What the kernel reports when an ICMP error or a local route says no: EPERM, EACCES, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT. */
const UNREACHABLE = new Set([1, 13, 101, 113, 110]);

/** What a failed connect(2) or send(2), or SO_ERROR, says of the way. */
export function outcomeOf(errno: number): ProbeOutcome["outcome"] {
  if (errno === ECONNREFUSED) return "refused";
  return UNREACHABLE.has(errno) ? "unreachable" : "error";
}
