import { staticConfiguration } from "../traefik/static-configuration.ts";
import { ended, type ProcessContext, type ProcessPlan } from "./process.ts";

/**
 * Traefik (doc.traefik.io/traefik/v3.5/reference/static-configuration/cli): its entry points, ping, and which kinds it reads. Names of flags count
 * without regard to case; of what else they may say nothing is modelled.
 */
export function traefik({ args }: ProcessContext): ProcessPlan {
  const statics = staticConfiguration(args);
  if (typeof statics === "string") return ended(1, statics);
  return {
    listens: statics.entryPoints.map(({ name, port, address }) => ({
      protocol: "TCP",
      port,
      ...(address === undefined ? {} : { address }),
      behaviour: { kind: "traefik", entryPoint: name, statics },
    })),
  };
}
