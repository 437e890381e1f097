import type { AddOn } from "../../plan/types.ts";
import type { Supplies } from "../../supplies/types.ts";
import { gatewayApi } from "./add-ons/gateway-api.ts";
import { metallb } from "./add-ons/metallb.ts";
import { metricsServer } from "./add-ons/metrics-server.ts";
import { traefik } from "./add-ons/traefik.ts";
import type { AddOnContext, AddOnInstall } from "./add-ons/types.ts";
import { imagesOf, inApplyOrder } from "./upstream-manifest.ts";

/** What the embedded engine alone has; providers of real clusters refuse it. */
type EmbeddedAddOn = "istio";

/** Every other add-on by its name in lab files. */
export const addOnInstalls: Readonly<Record<Exclude<AddOn, EmbeddedAddOn>, AddOnInstall>> = {
  metallb,
  traefik,
  "metrics-server": metricsServer,
  "gateway-api": gatewayApi,
};

function installsOf(addOns: readonly AddOn[]): [name: AddOn, install: AddOnInstall][] {
  return addOns.map((name) => {
    if (name === "istio") throw new Error("unreachable: such a plan is refused");
    return [name, addOnInstalls[name]];
  });
}

/** Images that the nodes must have before add-ons are installed, each once. Throws what {@link Supplies.file} throws. */
export async function addOnImages(addOns: readonly AddOn[], supplies: Pick<Supplies, "file">): Promise<string[]> {
  const objects = await Promise.all(installsOf(addOns).map(([, { objects }]) => objects(supplies, addOns)));
  return [...new Set(imagesOf(objects.flat()))];
}

/** Upstream files that add-ons are installed from, by their names in the lock. */
export function addOnFiles(addOns: readonly AddOn[]): string[] {
  return installsOf(addOns).flatMap(([, { files }]) => files);
}

/**
 * Installs add-ons on a cluster whose CNI is ready and whose nodes have their images, all at once; resolves when each
 * does its work: MetalLB's webhook took the pool of addresses, Traefik has an address and answers, metrics-server has
 * figures of every node, the GatewayClass is accepted. Safe to call again. Throws ADD_ON_NOT_READY, ADD_ON_NETWORK_TOO_SMALL, and the API's errors.
 */
export async function installAddOns(context: AddOnContext): Promise<void> {
  const { api, addOns, supplies, signal, progress } = context;
  const apply = async ([name, install]: [AddOn, AddOnInstall]): Promise<void> => {
    const objects = inApplyOrder(await install.objects(supplies, addOns));
    progress(`install ${name} ${install.version}`);
    await api.apply(objects, { signal });
  };
  const installs = installsOf(addOns);
  for (const each of installs) if (each[1].isFirst === true) await apply(each);
  await Promise.all(
    installs.map(async ([name, install]) => {
      if (install.isFirst !== true) await apply([name, install]);
      await install.ready(context);
      progress(`${name} is ready`);
    }),
  );
}
