import type { Plan } from "../../plan/types.ts";
import type { Supplies } from "../../supplies/types.ts";
import type { ProviderNeeds } from "../types.ts";
import { addOnFiles, addOnImages } from "./add-ons.ts";
import { cniImages, cniManifestName } from "./install-cni.ts";

/** What a plan's CNI and add-ons need on any real cluster; nodes and agents are their provider's own. */
export async function clusterNeeds(
  plan: Plan,
  supplies: Pick<Supplies, "file">,
): Promise<Pick<ProviderNeeds, "images" | "files">> {
  const addOns = plan.realCluster?.addOns ?? [];
  const images = [...(await cniImages(plan, supplies)), ...(await addOnImages(addOns, supplies))];
  return { images: [...new Set(images)], files: [cniManifestName(plan), ...addOnFiles(addOns)] };
}
