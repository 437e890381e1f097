import { MeshAuthority } from "../../../engine/mesh/authority.ts";
import { FactsPublisher } from "../../../engine/facts-publisher.ts";
import { MESH_FACT_KINDS, meshFacts } from "../../../engine/mesh/mesh-facts.ts";
import type { ControlPlane } from "../../../engine/control-plane.ts";
import { hasAddOn } from "../../../plan/has-add-on.ts";
import type { Plan, PlannedCluster } from "../../../plan/types.ts";
import type { ServerThread } from "./server-thread.ts";

/** From now on sidecars are told what changes, and a cluster is settled when they act by it. */
export function tellSidecars(
  { store, addBarrier }: Pick<ControlPlane, "store" | "addBarrier">,
  servers: Pick<ServerThread, "setMesh">,
  { dnsDomain }: Pick<PlannedCluster, "dnsDomain">,
): void {
  const sidecars = new FactsPublisher({
    store,
    kinds: MESH_FACT_KINDS,
    read: () => meshFacts(store, dnsDomain),
    send: (facts) => servers.setMesh(facts),
  });
  addBarrier(() => sidecars.knows());
}

/** The certificate authority of the lab's mesh; undefined where it has none. */
export function meshAuthority(plan: Pick<Plan, "realCluster">): MeshAuthority | undefined {
  return hasAddOn(plan, "istio") ? new MeshAuthority(() => new Date()) : undefined;
}
