import { readFile } from "node:fs/promises";
import { LabError } from "../../../core/errors.ts";
import { defaultPool } from "../../../engine/metallb/pools.ts";
import { METALLB_NAMESPACE } from "../../../kube/address-pools.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { addressPool } from "../../address-pool.ts";
import { readUpstreamManifest } from "../upstream-manifest.ts";
import type { AddOnContext, AddOnInstall } from "./types.ts";
import { untilNoGap, untilRolledOut } from "./until-ready.ts";

const MANIFEST = "metallb-native-v0.15.2.yaml";

/**
 * MetalLB in layer 2 mode: its upstream manifest, unchanged, and a pool at the top of the nodes' Docker network, since
 * Docker gives addresses out from the bottom (metallb.io/installation, metallb.io/configuration).
 */
export const metallb: AddOnInstall = {
  version: "v0.15.2",
  namespace: METALLB_NAMESPACE,
  files: [MANIFEST],
  objects: async (supplies) => readUpstreamManifest(await readFile(await supplies.file(MANIFEST), "utf8"), MANIFEST),
  async ready(context) {
    const { api, nodeNetworkSubnets, progress, signal } = context;
    await Promise.all([
      untilRolledOut("metallb", { kind: "Deployment", namespace: METALLB_NAMESPACE, name: "controller" }, context),
      untilRolledOut("metallb", { kind: "DaemonSet", namespace: METALLB_NAMESPACE, name: "speaker" }, context),
    ]);
    const ranges = addressPool(nodeNetworkSubnets);
    const pool = defaultPool(ranges);
    // The webhook gets its certificate after the controller's probes are satisfied; its own answer is what counts.
    await untilNoGap("metallb", context, () => webhookGap(pool, context));
    await api.apply(pool, { signal });
    progress(`metallb gives out ${ranges.join(", ")}`);
  },
};

async function webhookGap(pool: KubeObject[], { api, signal }: AddOnContext): Promise<string | undefined> {
  try {
    await api.apply(pool, { dryRun: true, signal });
    return undefined;
  } catch (error) {
    if (error instanceof LabError && /failed calling webhook/.test(error.message)) return error.message;
    throw error;
  }
}
