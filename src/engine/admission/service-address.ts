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
import { equalJson } from "../store/json.ts";
import { describe } from "../store/object-parts.ts";
import type { AdmissionRule, ObjectStore } from "../store/store.ts";

type Family = "IPv4" | "IPv6";

/**
 * Gives Services their families and cluster addresses, or refuses what is asked for (SERVICE_FAMILIES, CLUSTER_IP_TAKEN,
 * CLUSTER_IP_OUT_OF_RANGE, SERVICE_CIDR_EXHAUSTED). As in the API server, it happens on the write itself, by
 * kubernetes.io/docs/concepts/services-networking/dual-stack. Addresses nobody asked for come from the upper band of the range
 * (KEP-3070), and depend on the Service's name: the same lab gets the same ones each run.
 */
export function serviceAddresses(serviceCidrs: readonly string[]): AdmissionRule {
  const ranges = serviceCidrs.map((text) => {
    const range = parseCidr(text);
    if (range === undefined) throw new LabError("BAD_ADDRESS", `"${text}" is not a CIDR`);
    return range;
  });
  return (draft, { operation, key, store, old }) => {
    if (operation === "delete" || key !== "Service") return;
    assign(draft as Service, ranges, store, operation === "update" ? (old as Service | undefined) : undefined);
  };
}

function assign(service: Service, ranges: readonly Cidr[], store: ObjectStore, old: Service | undefined): void {
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
  const isHeadless = asked[0] === "None";
  const given = isHeadless ? [] : asked;
  const families = familiesOf(service, ranges, given, old);
  spec.ipFamilies = families;
  if (isHeadless) {
    spec.clusterIP = "None";
    spec.clusterIPs = ["None"];
    return;
  }
  const holderOf = holderIn(store, service);
  // One that goes back to a single family gives its second address back.
  const kept = given.slice(0, families.length);
  for (const address of kept) check(service, address, ranges, holderOf);
  const addresses = families.map((family, index) => kept[index] ?? free(service, rangeOf(family, ranges), holderOf));
  spec.clusterIPs = addresses;
  spec.clusterIP = addresses[0] ?? "";
}

function familyOf(address: string): Family {
  return address.includes(":") ? "IPv6" : "IPv4";
}

function rangeOf(family: Family, ranges: readonly Cidr[]): Cidr {
  const range = ranges.find((each) => each.family === (family === "IPv6" ? 6 : 4));
  if (range === undefined) throw new LabError("SERVICE_CIDR_EXHAUSTED", `the cluster has no ${family} Service network`);
  return range;
}

/** The Service's families, the first of them its primary one, by its policy, which is set where it says none. */
function familiesOf(
  service: Service,
  ranges: readonly Cidr[],
  addresses: readonly string[],
  old: Service | undefined,
): Family[] {
  const { spec } = service;
  const known = ranges.map(({ family }): Family => (family === 6 ? "IPv6" : "IPv4"));
  const [primary] = known;
  if (primary === undefined) throw new LabError("SERVICE_CIDR_EXHAUSTED", "the cluster has no Service network");
  const policy = policyOf(service, known.length, old);
  spec.ipFamilyPolicy = policy;
  const isSingle = policy === "SingleStack";
  const refuse = (what: string, hint?: string): LabError =>
    new LabError("SERVICE_FAMILIES", `${describe(service)}: ${what}`, hint === undefined ? {} : { hint });
  let asked: readonly Family[] = spec.ipFamilies ?? [];
  let own = addresses;
  // What is unchanged but for the policy goes back to its first family.
  if (isSingle && old !== undefined && old.spec.ipFamilyPolicy !== "SingleStack") {
    if (equalJson(asked, old.spec.ipFamilies)) asked = asked.slice(0, 1);
    if (equalJson(own, old.spec.clusterIPs)) own = own.slice(0, 1);
  }
  if (isSingle && (asked.length > 1 || own.length > 1)) {
    throw refuse("two families, and its ipFamilyPolicy is SingleStack", "set ipFamilyPolicy: PreferDualStack");
  }
  if (policy === "RequireDualStack" && known.length === 1) {
    throw refuse(
      "ipFamilyPolicy RequireDualStack, and the cluster has one address family",
      "a lab has both families with cluster.ipFamily: dual",
    );
  }
  const byAddress = own.map(familyOf);
  if (asked.length > 0 && byAddress.some((family, index) => asked[index] !== undefined && asked[index] !== family)) {
    throw refuse(`clusterIPs ${own.join(", ")} are not of the ipFamilies ${asked.join(", ")}`);
  }
  const first = asked[0] ?? byAddress[0] ?? primary;
  const second = asked[1] ?? byAddress[1] ?? known.find((family) => family !== first);
  const families = isSingle || second === undefined || known.length === 1 ? [first] : [first, second];
  if (new Set(families).size < families.length) throw refuse(`${first} twice among its families`);
  const missing = families.find((family) => !known.includes(family));
  if (missing !== undefined && own.length === 0) throw refuse(`the cluster has no ${missing} Service network`);
  return families;
}

/** On an update what it was; endpoints that somebody writes by hand may be of both families. */
function policyOf(
  { spec }: Service,
  families: number,
  old: Service | undefined,
): NonNullable<Service["spec"]["ipFamilyPolicy"]> {
  if (spec.ipFamilyPolicy !== undefined) return spec.ipFamilyPolicy;
  if (old?.spec.ipFamilyPolicy !== undefined) return old.spec.ipFamilyPolicy;
  const isHandMade = spec.clusterIP === "None" && Object.keys(spec.selector ?? {}).length === 0;
  return isHandMade && families > 1 ? "RequireDualStack" : "SingleStack";
}

/** Who else has an address: "namespace/name". */
type Holder = (address: string) => string | undefined;

function holderIn(store: ObjectStore, except: Service): Holder {
  return (address) => {
    const holder = store
      .indexed("Service", address)
      .find(
        ({ metadata: { namespace, name } }) => name !== except.metadata.name || namespace !== except.metadata.namespace,
      );
    return holder === undefined ? undefined : `${holder.metadata.namespace}/${holder.metadata.name}`;
  };
}

function check(service: Service, address: string, ranges: readonly Cidr[], holderOf: Holder): void {
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
  const owner = holderOf(address);
  if (owner !== undefined) {
    throw new LabError("CLUSTER_IP_TAKEN", `${describe(service)}: clusterIP ${address} belongs to Service ${owner}`, {
      hint: "leave clusterIP out to get a free one",
    });
  }
}

/** The first free address from a place in the dynamic band that the name decides; the static band only when that is full. */
function free(service: Service, range: Cidr, holderOf: Holder): string {
  // The API server, too, uses no more than 2^16 addresses of an IPv6 range.
  const usable = Number(range.family === 6 ? minimum(cidrSize(range), 65_536n) : cidrSize(range)) - 2;
  const staticBand = usable <= 16 ? 0 : Math.min(Math.max(16, Math.floor(usable / 16)), 256);
  const dynamicBand = usable - staticBand;
  const start = fnv1a(`${service.metadata.namespace}/${service.metadata.name}`);
  for (let index = 0; index < usable; index += 1) {
    const offset = index < dynamicBand ? staticBand + ((start + index) % dynamicBand) : index - dynamicBand;
    const address = nthAddress(range, offset + 1);
    if (address !== undefined && holderOf(formatIp(address)) === undefined) return formatIp(address);
  }
  throw new LabError(
    "SERVICE_CIDR_EXHAUSTED",
    `${describe(service)}: all ${usable} addresses of the Service network ${formatCidr(range)} are taken`,
  );
}

function minimum(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
