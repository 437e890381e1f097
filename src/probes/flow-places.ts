import { LabError } from "../core/errors.ts";
import type { Service } from "../kube/types.ts";
import { serviceBackends } from "../kube/workloads.ts";
import { placeName, type ResolvedSource } from "../providers/source.ts";
import type { NodeLinks } from "../providers/capture.ts";
import type { Source } from "../providers/types.ts";
import type { CapturePlace } from "./captured.ts";
import type { ResolvedTarget } from "./resolve.ts";
import type { ProbeContext } from "./types.ts";

/** Pods that a flow may end at, each with a capture of its own. */
const MOST_ENDS = 16;

/** What is opened. */
export interface FlowAim {
  port?: number;
  protocol: "tcp" | "udp" | "icmp";
}

/** Where a flow may arrive, after address translation. */
export interface FlowEnd {
  source: Source;
  address: string;
  port?: number;
}

/** Where the flow may arrive: what is aimed at, or the pods that kube-proxy sends it to. Throws PATH_NO_END. */
export function flowEnds(
  target: ResolvedTarget & { address: string },
  { port, protocol }: FlowAim,
  context: ProbeContext,
): FlowEnd[] {
  const backends = [...target.backends, ...nodePortBackends(target, { port, protocol }, context)];
  const ends = backends.flatMap((backend): FlowEnd[] => {
    const { pod, address } = backend;
    const number = backend.port ?? port;
    const place = number === undefined ? { address } : { address, port: number };
    if (pod !== undefined) return [{ source: { kind: "pod", ...pod }, ...place }];
    const [only] = target.to;
    return only === undefined || only.kind === "pod" ? [] : [{ source: only, ...place }];
  });
  if (ends.length === 0) {
    throw new LabError("PATH_NO_END", `nothing of the lab is known at ${target.identity} where the flow could arrive`, {
      hint: "aim at a pod, a workload, a Service with ready endpoints, a node, or external",
    });
  }
  if (ends.length > MOST_ENDS) {
    throw new LabError(
      "PATH_NO_END",
      `${target.identity} has ${ends.length} pods; a path is followed to ${MOST_ENDS}`,
      {
        hint: "aim at one of its pods",
      },
    );
  }
  return ends;
}

function nodePortBackends(
  { to, address }: ResolvedTarget,
  { port, protocol }: { port: number | undefined; protocol: FlowAim["protocol"] },
  { objects }: ProbeContext,
): ResolvedTarget["backends"] {
  if (to[0]?.kind !== "node" || port === undefined) return [];
  const wanted = protocol === "udp" ? "UDP" : "TCP";
  return objects
    .filter((object): object is Service => object.kind === "Service")
    .flatMap((service) =>
      (service.spec.ports ?? [])
        .filter((each) => each.nodePort === port && (each.protocol ?? "TCP") === wanted)
        .flatMap((each) => serviceBackends(objects, service, each.port, wanted)),
    )
    .filter((backend) => backend.address.includes(":") === address?.includes(":"));
}

/** The source first, then all nodes, then the ends. */
export function capturePlaces(from: ResolvedSource, ends: readonly FlowEnd[], { plan }: ProbeContext): CapturePlace[] {
  const sources: Source[] = [
    from.source,
    ...plan.topology.nodes.map(({ name }): Source => ({ kind: "node", name })),
    ...ends.map(({ source }) => source),
  ];
  const places = new Map(sources.map((source) => [placeName(source), { name: placeName(source), source }]));
  return [...places.values()];
}

/** What each node of the lab has towards the others, by its name. Rejects with LOOK_FAILED. */
export async function linksOfNodes({ plan, cluster }: ProbeContext): Promise<Map<string, NodeLinks>> {
  const found = plan.topology.nodes.map(async ({ name, interfaces }): Promise<[string, NodeLinks]> => {
    const planned = {
      names: interfaces.map((link) => link.name),
      addresses: interfaces.flatMap(({ addresses }) => addresses),
    };
    return [name, (await cluster.links?.(name)) ?? planned];
  });
  return new Map(await Promise.all(found));
}
