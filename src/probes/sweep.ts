import { cidrContains, parseCidr, parseIp } from "../core/ip.ts";
import type { DropProof } from "../grade/types.ts";
import { externalAddressesOf } from "../kube/load-balancers.ts";
import type { KubeObject, Service } from "../kube/types.ts";
import type { SweepCell, SweepCellResult } from "../providers/types.ts";
import type { ProbeContext } from "./types.ts";

/**
 * Whether a record is kube-proxy's and not a policy's: it names a Service's address, which policies never see, because
 * translation comes first. kube-proxy refuses what has no ready endpoint, and that is no isolation.
 */
export function isProxyProof(
  { destination }: DropProof,
  { plan, objects }: Pick<ProbeContext, "plan" | "objects">,
): boolean {
  return isServiceAddress(destination, plan.cluster.serviceCidrs) || outsideAddresses(objects).has(destination);
}

/** A sweep asks for each of its cells. */
const known = new WeakMap<readonly KubeObject[], ReadonlySet<string>>();

function outsideAddresses(objects: readonly KubeObject[]): ReadonlySet<string> {
  let found = known.get(objects);
  if (found === undefined) {
    const services = objects.filter((object): object is Service => object.kind === "Service");
    found = new Set(services.flatMap(externalAddressesOf));
    known.set(objects, found);
  }
  return found;
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
  const byDestination = new Map<string, boolean>();
  const isProxys = (proof: DropProof): boolean => {
    let known = byDestination.get(proof.destination);
    if (known === undefined) byDestination.set(proof.destination, (known = isProxyProof(proof, context)));
    return known;
  };
  return new Map(results.map((result) => [result.id, attribute(result, isProxys)]));
}

function attribute(result: SweepCellResult, isProxys: (proof: DropProof) => boolean): SweepCellResult {
  const { proof, ...rest } = result;
  if (proof === undefined || !isProxys(proof)) return result;
  const { node, destination, destinationPort } = proof;
  const port = destinationPort === undefined ? "" : `:${destinationPort}`;
  return { ...rest, detail: `kube-proxy on ${node}: nothing is ready behind ${destination}${port}` };
}
