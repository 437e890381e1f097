import { connectOptions, connectReferences, connectionFlows, probeConnection } from "./connect-probe.ts";
import { compareEnforcement, enforcementExpect } from "./enforcement.ts";
import { defineProbe } from "./types.ts";

/** Sends a datagram and waits for a reply; docs/probes/udp.md. */
export const udp = defineProbe({
  kind: "udp",
  summary: "sends a UDP datagram to a port and waits for a reply",
  options: connectOptions,
  tools: [],
  references: connectReferences,
  expect: enforcementExpect,
  compare: compareEnforcement,
  flows: (options, from, context) => connectionFlows("udp", options, from, context),
  run: (options, from, context) => probeConnection("udp", options, from, context),
});
