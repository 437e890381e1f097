import { formatIp } from "../../core/ip.ts";

/** Labels of the two reverse trees, most specific first. */
export const REVERSE_ZONES = [
  ["in-addr", "arpa"],
  ["ip6", "arpa"],
] as const;

/** The address that a full reverse name stands for (RFC 1035 3.5, RFC 3596 2.5), canonical; undefined for a partial or wrong one. */
export function addressOfReverse(labels: readonly string[]): string | undefined {
  if (labels.length === 6 && isUnder(labels, REVERSE_ZONES[0])) {
    const octets = labels.slice(0, 4).toReversed();
    return octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)
      ? octets.join(".")
      : undefined;
  }
  if (labels.length === 34 && isUnder(labels, REVERSE_ZONES[1])) {
    const nibbles = labels.slice(0, 32).toReversed();
    if (!nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined;
    return formatIp({ family: 6, value: BigInt(`0x${nibbles.join("")}`) });
  }
  return undefined;
}

/**
 * The zone, of those that every resolver serves empty because no public server can know them, that holds a reverse name
 * (RFC 6303 section 4, RFC 7793); undefined for public addresses.
 */
export function locallyServedZone(labels: readonly string[]): readonly string[] | undefined {
  return LOCALLY_SERVED.find((zone) => isUnder(labels, zone));
}

/** Whether a name is the zone's or below it; both in lower case. */
export function isUnder(labels: readonly string[], zone: readonly string[]): boolean {
  const start = labels.length - zone.length;
  return start >= 0 && zone.every((label, index) => labels[start + index] === label);
}

const LOCALLY_SERVED: readonly (readonly string[])[] = [
  "10",
  ...range(16, 31).map((octet) => `${octet}.172`),
  "168.192",
  ...range(64, 127).map((octet) => `${octet}.100`),
  "0",
  "127",
  "254.169",
  "2.0.192",
  "100.51.198",
  "113.0.203",
  "255.255.255.255",
]
  .map((prefix) => [...prefix.split("."), "in-addr", "arpa"])
  .concat(
    [nibbles("0"), nibbles("1"), "d.f", "8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2"].map((prefix) => [
      ...prefix.split("."),
      "ip6",
      "arpa",
    ]),
  );

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The reverse name of `::0` or `::1`. */
function nibbles(last: string): string {
  return [last, ...Array.from({ length: 31 }, () => "0")].join(".");
}
