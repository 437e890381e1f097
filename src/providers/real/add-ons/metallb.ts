import { readFile } from "node:fs/promises";
import { LabError } from "../../../core/errors.ts";
import { cidrSize, formatIp, nthAddress, parseCidr } from "../../../core/ip.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { readUpstreamManifest } from "../upstream-manifest.ts";
import type { AddOnContext, AddOnInstall } from "./types.ts";
import { untilNoGap, untilRolledOut } from "./until-ready.ts";

const NAMESPACE = "metallb-system";
const MANIFEST = "metallb-native-v0.15.2.yaml";

/** More Services of type LoadBalancer than this are no lab. */
const POOL_SIZE = 50n;

/**
 * MetalLB in layer 2 mode: its upstream manifest, unchanged, and a pool at the top of the nodes' Docker network, since
 * Docker gives addresses out from the bottom (metallb.io/installation, metallb.io/configuration).
 */
export const metallb: AddOnInstall = {
  version: "v0.15.2",
  namespace: NAMESPACE,
  files: [MANIFEST],
  objects: async (supplies) => readUpstreamManifest(await readFile(await supplies.file(MANIFEST), "utf8"), MANIFEST),
  async ready(context) {
    const { api, nodeNetworkSubnet, progress, signal } = context;
    await Promise.all([
      untilRolledOut("metallb", { kind: "Deployment", namespace: NAMESPACE, name: "controller" }, context),
      untilRolledOut("metallb", { kind: "DaemonSet", namespace: NAMESPACE, name: "speaker" }, context),
    ]);
    const pool = poolObjects(nodeNetworkSubnet);
    // The webhook gets its certificate after the controller's probes are satisfied; its own answer is what counts.
    await untilNoGap("metallb", context, () => webhookGap(pool, context));
    await api.apply(pool, { signal });
    progress(`metallb gives out ${addressPool(nodeNetworkSubnet)}`);
  },
};

/** The addresses for Services: the last ones of a network, at most a quarter of it. Throws ADD_ON_NETWORK_TOO_SMALL. */
export function addressPool(subnet: string): string {
  const cidr = parseCidr(subnet);
  if (cidr === undefined || cidr.family !== 4 || cidrSize(cidr) < 16n) {
    throw new LabError("ADD_ON_NETWORK_TOO_SMALL", `the nodes' network ${subnet} has no room for MetalLB's addresses`, {
      hint: "MetalLB needs an IPv4 network of /28 or more",
    });
  }
  const size = cidrSize(cidr);
  const quarter = size / 4n;
  const count = quarter < POOL_SIZE ? quarter : POOL_SIZE;
  // The last address of all is the network's broadcast address.
  const [first, last] = [size - 1n - count, size - 2n].map((offset) => {
    const address = nthAddress(cidr, offset);
    return address === undefined ? "" : formatIp(address);
  });
  return `${first}-${last}`;
}

function poolObjects(subnet: string): KubeObject[] {
  const metadata = { namespace: NAMESPACE, name: "cnilab" };
  return [
    {
      apiVersion: "metallb.io/v1beta1",
      kind: "IPAddressPool",
      metadata,
      spec: { addresses: [addressPool(subnet)] },
    },
    {
      apiVersion: "metallb.io/v1beta1",
      kind: "L2Advertisement",
      metadata,
      spec: { ipAddressPools: ["cnilab"] },
    },
  ];
}

async function webhookGap(pool: KubeObject[], { api, signal }: AddOnContext): Promise<string | undefined> {
  try {
    await api.apply(pool, { dryRun: true, signal });
    return undefined;
  } catch (error) {
    if (error instanceof LabError && /failed calling webhook/.test(error.message)) return error.message;
    throw error;
  }
}
