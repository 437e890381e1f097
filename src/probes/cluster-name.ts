import type { KubeObject, Service } from "../kube/types.ts";
import { findObject } from "../kube/workloads.ts";

/**
 * The Service that cluster DNS would answer this name with, for a client in `namespace`: `db`, `db.shop`, `db.shop.svc`
 * or the full name, as the search path of a pod's resolv.conf makes them (github.com/kubernetes/dns specification).
 * Undefined for other names. It serves to find what is behind a name; the lookup itself is the tool's.
 */
export function serviceOfName(
  host: string,
  namespace: string | undefined,
  objects: readonly KubeObject[],
  domain: string,
): Service | undefined {
  const name = host.replace(/\.$/, "").toLowerCase();
  const suffix = [`.svc.${domain.toLowerCase()}`, ".svc"].find((each) => name.endsWith(each));
  const parts = (suffix === undefined ? name : name.slice(0, -suffix.length)).split(".");
  const [service = "", of = suffix === undefined ? namespace : undefined] = parts;
  if (parts.length > 2 || of === undefined) return undefined;
  return findObject(objects, "Service", of, service) as Service | undefined;
}
