import { setMaxListeners } from "node:events";

/**
 * The same signal, for which as many may wait at once as a lab has nodes, pods and requests: of the eleventh listener Node.js warns
 * otherwise (events.setMaxListeners), which is no leak here.
 */
export function sharedSignal(signal: AbortSignal): AbortSignal {
  setMaxListeners(0, signal);
  return signal;
}
