import { connectOptions, connectReferences, connectionFlows, probeConnection } from "./connect-probe.ts";
import { compareEnforcement, enforcementExpect } from "./enforcement.ts";
import { defineProbe } from "./types.ts";

/** Opens a TCP connection; docs/probes/tcp.md. */
export const tcp = defineProbe({
  kind: "tcp",
  summary: "opens a TCP connection to a port",
  options: connectOptions,
  tools: ["bash", "timeout"],
  references: connectReferences,
  expect: enforcementExpect,
  compare: compareEnforcement,
  flows: (options, from, context) => connectionFlows("tcp", options, from, context),
  run: (options, from, context) => probeConnection("tcp", options, from, context),
});
