import { connectOptions, connectReferences, probeConnection } from "./connect-probe.ts";
import { defineProbe } from "./types.ts";

/** Opens a TCP connection; docs/probes/tcp.md. */
export const tcp = defineProbe({
  kind: "tcp",
  summary: "opens a TCP connection to a port",
  options: connectOptions,
  tools: ["bash", "timeout"],
  references: connectReferences,
  run: (options, from, context) => probeConnection("tcp", options, from, context),
});
