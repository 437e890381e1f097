import type { EndFact, FlowFacts } from "../grade/layers.ts";
import { declaredPorts, isHostNetwork, podAddresses } from "../kube/pods.ts";
import type { KubeObject } from "../kube/types.ts";
import type { ServiceBackend } from "../kube/workloads.ts";
import type { EndpointRef, PlannedNode } from "../plan/types.ts";
import { placeName } from "../providers/source.ts";
import type { Flow, Source } from "../providers/types.ts";
import type { WayRequest } from "../providers/way.ts";
import { placeFact, podOf, refFact } from "./place-facts.ts";
import { serviceByName, serviceOf, type FoundService } from "./service-facts.ts";

/** Ends of a Service that are looked at. */
const MOST_ENDS = 4;

type End = WayRequest["ends"][number];

/** What the cluster's objects alone say of a flow, and what looking at its way takes. */
export interface ObjectFacts {
  facts: FlowFacts;
  from: WayRequest["from"];
  ends: End[];
  /** The Service that kube-proxy translates the address of. */
  translated?: NonNullable<FoundService["translated"]>;
}

/** Of a flow that has an address; pure. */
export function factsOfFlow(flow: Flow, objects: readonly KubeObject[], nodes: readonly PlannedNode[]): ObjectFacts {
  const isIpv6 = flow.address.includes(":");
  const ofFamily = (addresses: readonly string[]): string | undefined =>
    addresses.find((address) => address.includes(":") === isIpv6);
  const pod = podOf(flow.from, objects);
  const node = flow.from.kind === "node" ? flow.from.name : pod?.spec.nodeName;
  const addressOfNode = nodes.find((each) => each.name === node)?.interfaces[0]?.addresses ?? [];
  const address = ofFamily(pod === undefined ? addressOfNode : podAddresses(pod));
  const found = serviceOf(flow, objects);
  const ends = endsOf(flow, found?.backends, objects);
  return {
    facts: {
      source: placeFact(flow.from, objects),
      ends: ends.map(({ fact }) => ({ ...fact, hops: [] })),
      ...(found === undefined ? {} : { service: found.fact }),
      unseen: [],
    },
    from: {
      source: flow.from,
      name: placeName(flow.from),
      ...(node === undefined ? {} : { node }),
      ...(address === undefined ? {} : { address }),
    },
    ends,
    ...(found?.translated === undefined ? {} : { translated: found.translated }),
  };
}

/** Of a probe that came to no flow, by the ends that it names; undefined where they say nothing. */
export function factsOfEnds(
  { from, to, family }: { from: EndpointRef | undefined; to: EndpointRef | undefined; family?: string | undefined },
  objects: readonly KubeObject[],
): FlowFacts {
  const source = refFact(from, objects) ?? { name: "the source" };
  const isOutside = from?.kind === "external";
  const service =
    to?.kind === "service" ? serviceByName(to.namespace, to.name, { family, isOutside }, objects) : undefined;
  const end = to === undefined || to.kind === "service" ? undefined : refFact(to, objects);
  return {
    source,
    ...(service === undefined ? {} : { service }),
    ends:
      end === undefined
        ? []
        : [{ ...end, address: "", protocol: "icmp", isDeclared: false, hops: [] } satisfies EndFact],
    unseen: ["its way, since the probe came to no flow"],
  };
}

/** Where the flow may end: the endpoints of its Service, else what it is aimed at. */
function endsOf(flow: Flow, backends: readonly ServiceBackend[] | undefined, objects: readonly KubeObject[]): End[] {
  const { port, protocol, address } = flow;
  const sources: { source: Source; at: string; port: number | undefined }[] =
    backends === undefined
      ? flow.to.map((source) => ({ source, at: address, port }))
      : backends.flatMap(({ pod, address: at, port: own }) =>
          pod === undefined ? [] : [{ source: { kind: "pod", ...pod }, at, port: own ?? port }],
        );
  return sources.slice(0, MOST_ENDS).map(({ source, at, port: own }) => {
    const pod = podOf(source, objects);
    const node = source.kind === "node" ? source.name : pod?.spec.nodeName;
    return {
      source,
      ...(node === undefined ? {} : { node }),
      isPod: pod !== undefined && !isHostNetwork(pod),
      fact: {
        ...placeFact(source, objects),
        address: at,
        ...(own === undefined ? {} : { port: own }),
        protocol,
        isDeclared: pod !== undefined && declaredPorts(pod.spec).some(({ containerPort }) => containerPort === own),
      },
    };
  });
}
