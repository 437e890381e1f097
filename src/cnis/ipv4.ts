import { LabError } from "../core/errors.ts";

/** An IPv4 network as numbers, so that addresses can be counted. */
export interface Ipv4Network {
  /** First address. */
  base: number;
  prefixLength: number;
  /** Number of addresses, network and broadcast address included. */
  size: number;
}

/** Throws BAD_ADDRESS unless the text is four decimal octets. */
export function parseAddress(address: string): number {
  const octets = address.split(".");
  const values = octets.map(Number);
  if (octets.length !== 4 || !octets.every((octet) => /^\d{1,3}$/.test(octet)) || values.some((value) => value > 255)) {
    throw new LabError("BAD_ADDRESS", `"${address}" is not an IPv4 address`);
  }
  return values.reduce((sum, value) => sum * 256 + value, 0);
}

export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

/** Host bits of the address are cleared. Throws BAD_ADDRESS. */
export function parseNetwork(cidr: string): Ipv4Network {
  const [address = "", length = ""] = cidr.split("/");
  const prefixLength = Number(length);
  if (!/^\d{1,2}$/.test(length) || prefixLength > 32) {
    throw new LabError("BAD_ADDRESS", `"${cidr}" is not an IPv4 CIDR`);
  }
  const size = 2 ** (32 - prefixLength);
  const value = parseAddress(address);
  return { base: value - (value % size), prefixLength, size };
}

export function formatNetwork(base: number, prefixLength: number): string {
  return `${formatAddress(base)}/${prefixLength}`;
}

/** The address at `offset` in the network, 0 being the network's own. */
export function addressAt(cidr: string, offset: number): string {
  return formatAddress(parseNetwork(cidr).base + offset);
}
