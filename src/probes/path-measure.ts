import { meetsBound } from "../core/bound.ts";
import { LabError } from "../core/errors.ts";
import type { Bound } from "../grade/types.ts";
import { boundDifference } from "./figures.ts";
import type { LayeredPacket } from "./packet-layers.ts";
import type { Encapsulation, PathStep, TracedPath } from "./path-trace.ts";

/** `measured` of a path observation. */
export interface PathMeasured {
  /** Routers passed. */
  hops: number;
  encapsulation: Encapsulation;
  sourceAddress: "kept" | "rewritten";
  /** As it arrived. */
  source: string;
  /** As it arrived; other than the address aimed at where it was translated. */
  destination: string;
  /** Where it arrived. */
  at: string;
  /** Nodes in the order in which it passed them. */
  via: string[];
}

/** What `expect:` may hold for path. */
export interface PathExpect {
  hops?: Bound | undefined;
  encapsulation?: Encapsulation | undefined;
  sourceAddress?: "kept" | "rewritten" | undefined;
  via?: string[] | undefined;
}

/** Figures of a flow that arrived. Throws PATH_UNRECOGNISED where a link between nodes showed nothing that could be it. */
export function measurePath({ sent, steps, arrived }: Required<TracedPath>): PathMeasured {
  const between = steps.filter((step) => "encapsulation" in step);
  const unknown = between.find(({ encapsulation }) => encapsulation === undefined);
  if (unknown !== undefined) {
    const next = steps[steps.indexOf(unknown) + 1]?.node ?? "";
    throw new LabError(
      "PATH_UNRECOGNISED",
      `the flow arrived, and nothing that left ${unknown.node} for ${next} on a link between nodes could be recognised as it`,
      { hint: "known are plain packets, VXLAN, IPIP, WireGuard and ESP" },
    );
  }
  const tunnels = new Set(between.flatMap(({ encapsulation }) => encapsulation ?? []));
  tunnels.delete("none");
  if (tunnels.size > 1) {
    throw new LabError("PATH_UNRECOGNISED", `links between nodes carried the flow in ${[...tunnels].join(" and in ")}`);
  }
  const { inner } = arrived.packet;
  return {
    hops: sent.inner.ttl - inner.ttl,
    encapsulation: [...tunnels][0] ?? "none",
    sourceAddress: inner.source === sent.inner.source ? "kept" : "rewritten",
    source: inner.source,
    destination: inner.destination,
    at: arrived.at,
    via: steps.map(({ node }) => node),
  };
}

/** One line for a reader: what was found. */
export function pathText({ hops, encapsulation, sourceAddress, source, at, via }: PathMeasured): string {
  const kept = sourceAddress === "kept" ? `source address kept (${source})` : `source address rewritten to ${source}`;
  const tunnel = encapsulation === "none" ? "no encapsulation" : encapsulation;
  const nodes = via.length === 0 ? "no node" : via.join(", ");
  return `arrived at ${at} after ${hops} ${hops === 1 ? "hop" : "hops"} via ${nodes}; ${tunnel}; ${kept}`;
}

/** A line for each place, as far as the flow came. */
export function pathLines({ sent, steps, arrived }: TracedPath, from: string): string[] {
  return [
    `${from} sends ${packetText(sent)}`,
    ...steps.map((step) => `  ${stepLine(step)}`),
    arrived === undefined ? "it is not seen to arrive" : `${arrived.at} gets ${packetText(arrived.packet)}`,
  ];
}

function stepLine({ node, entry, exit }: PathStep): string {
  const devices = [entry, exit].flatMap((packet) => (packet === undefined ? [] : [packet.at.interface]));
  const way = entry === undefined ? `out at ${devices[0]}` : `in at ${devices.join(", out at ")}`;
  const shown = exit ?? entry;
  return `${node}: ${way}${shown === undefined ? "" : `: ${packetText(shown)}`}`;
}

/** A packet with its tunnels, on one line. */
export function packetText({ tunnels, inner }: LayeredPacket): string {
  const port = inner.content.protocol === "tcp" || inner.content.protocol === "udp" ? inner.content : undefined;
  const end = (address: string, number: number | undefined): string =>
    number === undefined ? address : address.includes(":") ? `[${address}]:${number}` : `${address}:${number}`;
  const flow = `${end(inner.source, port?.sourcePort)} → ${end(inner.destination, port?.destinationPort)}`;
  const around = tunnels.map(({ tunnel, source, destination }) => `${tunnel} ${source} → ${destination} around `);
  return `${around.join("")}${flow} (${inner.content.protocol}, TTL ${inner.ttl})`;
}

/** Compares a path with its figures: undefined when all are met. */
export function comparePath(given: Record<string, unknown>, expected: PathExpect): string | undefined {
  const measured = given as unknown as PathMeasured;
  const { hops, encapsulation, sourceAddress, via } = expected;
  if (encapsulation !== undefined && measured.encapsulation !== encapsulation) {
    return `expected encapsulation ${encapsulation}, observed ${measured.encapsulation}`;
  }
  if (sourceAddress !== undefined && measured.sourceAddress !== sourceAddress) {
    return `expected the source address ${sourceAddress}, observed it ${measured.sourceAddress}: ${measured.source}`;
  }
  if (via !== undefined && via.join() !== measured.via.join()) {
    return `expected the way via ${via.join(", ")}, observed ${measured.via.length === 0 ? "no node" : measured.via.join(", ")}`;
  }
  return hops === undefined || meetsBound(measured.hops, hops)
    ? undefined
    : boundDifference("hops", hops, String(measured.hops));
}
