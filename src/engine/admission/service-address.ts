import { LabError } from "../../core/errors.ts";
import {
  cidrContains,
  cidrSize,
  formatCidr,
  formatIp,
  nthAddress,
  parseCidr,
  parseIp,
  type Cidr,
} from "../../core/ip.ts";
import type { Service } from "../../kube/types.ts";
import { fnv1a } from "../seeded-random.ts";
import { describe } from "../store/object-parts.ts";
import type { AdmissionRule, ObjectStore } from "../store/store.ts";

/**
 * Gives Services their cluster addresses, or refuses the one asked for (CLUSTER_IP_TAKEN, CLUSTER_IP_OUT_OF_RANGE,
 * SERVICE_CIDR_EXHAUSTED). As in the API server, it happens on the write itself. Addresses nobody asked for come from
 * the upper band of the range (KEP-3070), and depend on the Service's name: the same lab gets the same ones each run.
 */
export function serviceAddresses(serviceCidrs: readonly string[]): AdmissionRule {
  const ranges = serviceCidrs.map((text) => {
    const range = parseCidr(text);
    if (range === undefined) throw new LabError("BAD_ADDRESS", `"${text}" is not a CIDR`);
    return range;
  });
  return (draft, { operation, key, store }) => {
    if (operation === "delete" || key !== "Service") return;
    assign(draft as Service, ranges, store);
  };
}

function assign(service: Service, ranges: readonly Cidr[], store: ObjectStore): void {
  const { spec } = service;
  if (spec.type === "ExternalName") {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    return;
  }
  const asked = spec.clusterIPs ?? (spec.clusterIP === undefined || spec.clusterIP === "" ? [] : [spec.clusterIP]);
  if (spec.clusterIP !== undefined && spec.clusterIP !== "" && asked[0] !== spec.clusterIP) {
    throw new LabError(
      "OBJECT_INVALID",
      `${describe(service)}: clusterIPs does not begin with clusterIP ${spec.clusterIP}`,
    );
  }
  if (asked[0] === "None") {
    spec.clusterIP = "None";
    spec.clusterIPs = ["None"];
    return;
  }
  const primary = ranges[0];
  if (primary === undefined) throw new LabError("SERVICE_CIDR_EXHAUSTED", "the cluster has no Service network");
  const taken = takenAddresses(store, service);
  for (const address of asked) check(service, address, ranges, taken);
  const addresses = asked.length > 0 ? asked : [free(service, primary, taken)];
  spec.clusterIPs = addresses;
  spec.clusterIP = addresses[0] ?? "";
  spec.ipFamilies ??= addresses.map((address) => (address.includes(":") ? "IPv6" : "IPv4"));
  spec["ipFamilyPolicy"] ??= "SingleStack";
}

function takenAddresses(store: ObjectStore, except: Service): Map<string, string> {
  const taken = new Map<string, string>();
  for (const service of store.list("Service")) {
    const { namespace, name } = service.metadata;
    if (name === except.metadata.name && namespace === except.metadata.namespace) continue;
    for (const address of service.spec.clusterIPs ?? []) taken.set(address, `${namespace}/${name}`);
  }
  return taken;
}

function check(service: Service, address: string, ranges: readonly Cidr[], taken: ReadonlyMap<string, string>): void {
  const parsed = parseIp(address);
  if (parsed === undefined)
    throw new LabError("OBJECT_INVALID", `${describe(service)}: clusterIP "${address}" is not an IP address`);
  const range = ranges.find((candidate) => cidrContains(candidate, parsed));
  if (range === undefined) {
    throw new LabError(
      "CLUSTER_IP_OUT_OF_RANGE",
      `${describe(service)}: clusterIP ${address} is outside the Service network ${ranges.map(formatCidr).join(", ")}`,
    );
  }
  const owner = taken.get(address);
  if (owner !== undefined) {
    throw new LabError("CLUSTER_IP_TAKEN", `${describe(service)}: clusterIP ${address} belongs to Service ${owner}`, {
      hint: "leave clusterIP out to get a free one",
    });
  }
}

/** The first free address from a place in the dynamic band that the name decides; the static band only when that is full. */
function free(service: Service, range: Cidr, taken: ReadonlyMap<string, string>): string {
  // The API server, too, uses no more than 2^16 addresses of an IPv6 range.
  const usable = Number(range.family === 6 ? minimum(cidrSize(range), 65_536n) : cidrSize(range)) - 2;
  const staticBand = usable <= 16 ? 0 : Math.min(Math.max(16, Math.floor(usable / 16)), 256);
  const dynamicBand = usable - staticBand;
  const start = fnv1a(`${service.metadata.namespace}/${service.metadata.name}`);
  for (let index = 0; index < usable; index += 1) {
    const offset = index < dynamicBand ? staticBand + ((start + index) % dynamicBand) : index - dynamicBand;
    const address = nthAddress(range, offset + 1);
    if (address !== undefined && !taken.has(formatIp(address))) return formatIp(address);
  }
  throw new LabError(
    "SERVICE_CIDR_EXHAUSTED",
    `${describe(service)}: all ${usable} addresses of the Service network ${formatCidr(range)} are taken`,
  );
}

function minimum(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
