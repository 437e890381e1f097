import { createHash } from "node:crypto";
import { parseAddress } from "./ipv4.ts";

/**
 * A unicast, locally administered hardware address (IEEE 802, second bit of the first octet) that depends on the seed
 * alone, where the real CNI draws a random one: equal state must give equal configuration here.
 */
export function seededLladdr(seed: string): string {
  const bytes = createHash("sha1").update(seed).digest().subarray(0, 6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return formatLladdr(bytes);
}

/** Colon-separated hex. */
export function formatLladdr(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** 0a:58 and the IPv4 address: what CNI's bridge plugin gave its bridge and pods before it left them to the kernel. */
export function bridgedLladdr(address: string): string {
  const value = parseAddress(address);
  return formatLladdr(new Uint8Array([0x0a, 0x58, value >>> 24, value >>> 16, value >>> 8, value]));
}
