import { MeshAuthority } from "../../../engine/mesh/authority.ts";
import { MeshPublisher } from "../../../engine/mesh/mesh-publisher.ts";
import type { ControlPlane } from "../../../engine/control-plane.ts";
import type { Plan, PlannedCluster } from "../../../plan/types.ts";
import type { ServerThread } from "./server-thread.ts";

/** Whether the lab has a service mesh. */
function hasMesh({ realCluster }: Pick<Plan, "realCluster">): boolean {
  return realCluster?.addOns.includes("istio") ?? false;
}

/** From now on sidecars are told what changes, and a cluster is settled when they act by it. */
export function tellSidecars(
  { store, addBarrier }: Pick<ControlPlane, "store" | "addBarrier">,
  servers: Pick<ServerThread, "setMesh">,
  { dnsDomain }: Pick<PlannedCluster, "dnsDomain">,
): void {
  const sidecars = new MeshPublisher({ store, domain: dnsDomain, send: (facts) => servers.setMesh(facts) });
  addBarrier(() => sidecars.knows());
}

/** The certificate authority of the lab's mesh; undefined where it has none. */
export function meshAuthority(plan: Pick<Plan, "realCluster">): MeshAuthority | undefined {
  return hasMesh(plan) ? new MeshAuthority(() => new Date()) : undefined;
}
