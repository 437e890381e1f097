import { convergence } from "./convergence.ts";
import { curl } from "./curl.ts";
import { dns } from "./dns.ts";
import { iperf } from "./iperf.ts";
import { matrix } from "./matrix.ts";
import { mtu } from "./mtu.ts";
import { path } from "./path.ts";
import { ping } from "./ping.ts";
import { plaintext } from "./plaintext.ts";
import { tcp } from "./tcp.ts";
import type { ProbeKind } from "./types.ts";
import { udp } from "./udp.ts";

/** Every kind of probe by its key in a lab file; one line each, its docs in docs/probes/. */
export const probeKinds = {
  ping,
  curl,
  dns,
  tcp,
  udp,
  iperf,
  matrix,
  path,
  mtu,
  plaintext,
  convergence,
} as const satisfies Record<string, ProbeKind>;

/** A kind's key. */
export type ProbeKindName = keyof typeof probeKinds;
