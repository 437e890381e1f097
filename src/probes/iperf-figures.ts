import { meetsBound } from "../core/bound.ts";
import type { Bound } from "../grade/types.ts";
import { boundDifference } from "./figures.ts";

/** Bounds that `expect:` of iperf may hold. */
export interface IperfBounds {
  bandwidth?: Bound | undefined;
  retransmits?: Bound | undefined;
  loss?: Bound | undefined;
  jitter?: Bound | undefined;
}

/** Each bound with the field of `measured` that it is of. */
const FIGURES = [
  { name: "bandwidth", field: "bandwidthBps", text: formatRate },
  { name: "retransmits", field: "retransmits", text: String },
  { name: "loss", field: "loss", text: (share: number) => `${roundShare(share)} %` },
  { name: "jitter", field: "jitterMs", text: (ms: number) => `${ms.toFixed(3)} ms` },
] as const;

/** One line for the first bound that is not met; a figure that was not measured meets none. */
export function iperfDifference(measured: Record<string, unknown>, bounds: IperfBounds): string | undefined {
  for (const { name, field, text } of FIGURES) {
    const bound = bounds[name];
    if (bound === undefined) continue;
    const seen = measured[field];
    if (typeof seen !== "number") return boundDifference(name, bound, undefined);
    if (!meetsBound(seen, bound)) return boundDifference(name, bound, text(seen));
  }
  return undefined;
}

/** `1.24 Gbit/s`; decimal prefixes, as links are sold. */
export function formatRate(bandwidthBps: number): string {
  const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"];
  let figure = bandwidthBps;
  let unit = 0;
  while (figure >= 1000 && unit < units.length - 1) {
    figure /= 1000;
    unit++;
  }
  return `${figure.toPrecision(3)} ${units[unit]}`;
}

/** A share of 1 as a percentage with two decimals at most. */
export function roundShare(share: number): number {
  return Math.round(share * 10_000) / 100;
}
