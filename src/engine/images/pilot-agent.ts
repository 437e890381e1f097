import { INBOUND_PORT, OUTBOUND_PORT, STATUS_PORT } from "../mesh/injection.ts";
import { ended, http, type Program } from "./process.ts";

/** How long Istio's sidecar lets connections end (istio.io … mesh.v1alpha1, terminationDrainDuration). */
const DRAIN_MS = 5000;

/** Istio's sidecar (`pilot-agent proxy`); what else its image can do has been done when a pod runs. */
export const pilotAgent: Program = ({ args: [command] }) =>
  command === "proxy"
    ? {
        listens: [
          { protocol: "TCP", port: OUTBOUND_PORT, behaviour: { kind: "sidecar-outbound" } },
          { protocol: "TCP", port: INBOUND_PORT, behaviour: { kind: "sidecar-inbound" } },
          http(STATUS_PORT, "ok"),
        ],
        stop: { afterMs: DRAIN_MS, exitCode: 0 },
      }
    : ended();
