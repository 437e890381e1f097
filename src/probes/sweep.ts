import { cidrContains, parseCidr, parseIp } from "../core/ip.ts";
import type { DropProof } from "../grade/types.ts";
import type { SweepCell, SweepCellResult } from "../providers/types.ts";
import type { ProbeContext } from "./types.ts";

/**
 * Whether a record is kube-proxy's and not a policy's: it names a Service's address, which policies never see, because
 * translation comes first. kube-proxy refuses what has no ready endpoint, and that is no isolation.
 */
export function isProxyProof({ destination }: DropProof, { plan }: Pick<ProbeContext, "plan">): boolean {
  return isServiceAddress(destination, plan.cluster.serviceCidrs);
}

/** Whether an address is of the cluster's Service networks. */
export function isServiceAddress(text: string, serviceCidrs: readonly string[]): boolean {
  const address = parseIp(text);
  return serviceCidrs.some((written) => {
    const cidr = parseCidr(written);
    return address !== undefined && cidr !== undefined && cidrContains(cidr, address);
  });
}

/** Sweeps and gives the results by id; kube-proxy's records become part of `detail`, so that every `proof` is a policy's. */
export async function sweep(cells: SweepCell[], context: ProbeContext): Promise<Map<number, SweepCellResult>> {
  if (cells.length === 0) return new Map();
  const { cells: results } = await context.cluster.sweep(cells, { deadlineMs: context.deadlineMs });
  context.signal.throwIfAborted();
  return new Map(results.map((result) => [result.id, attribute(result, context)]));
}

function attribute(result: SweepCellResult, context: ProbeContext): SweepCellResult {
  const { proof, ...rest } = result;
  if (proof === undefined || !isProxyProof(proof, context)) return result;
  const { node, destination, destinationPort } = proof;
  const port = destinationPort === undefined ? "" : `:${destinationPort}`;
  return { ...rest, detail: `kube-proxy on ${node}: nothing is ready behind ${destination}${port}` };
}
