import { formatIp, parseIp } from "../../core/ip.ts";

/**
 * The address that a name under in-addr.arpa or ip6.arpa (RFC 1035 3.5, RFC 3596 2.5) stands for, canonical; the empty
 * text for one that is not of a whole address; undefined for other names.
 */
export function reverseAddress(name: string): string | undefined {
  const ipv4 = /^(.*?)\.?in-addr\.arpa$/.exec(name);
  if (ipv4 !== null) return canonical((ipv4[1] ?? "").split(".").toReversed().join("."));
  const ipv6 = /^(.*?)\.?ip6\.arpa$/.exec(name);
  if (ipv6 === null) return undefined;
  const nibbles = (ipv6[1] ?? "").split(".").toReversed();
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return "";
  return canonical(nibbles.join("").replaceAll(/(.{4})(?=.)/g, "$1:"));
}

function canonical(text: string): string {
  const parsed = parseIp(text);
  return parsed === undefined ? "" : formatIp(parsed);
}
