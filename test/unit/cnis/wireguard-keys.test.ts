import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { describe, expect, it } from "vitest";
import { wireguardKeys } from "../../../src/cnis/wireguard-keys.ts";

/** Keys as OpenSSL takes them: DER prefixes of RFC 8410. */
const privateOf = (base64: string) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), Buffer.from(base64, "base64")]),
    format: "der",
    type: "pkcs8",
  });
const publicOf = (base64: string) =>
  createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), Buffer.from(base64, "base64")]),
    format: "der",
    type: "spki",
  });

describe("WireGuard keys of a node", () => {
  const one = wireguardKeys("worker1", "flannel-wg");
  const two = wireguardKeys("worker2", "flannel-wg");

  it("are the same at each look, and others for each node and device", () => {
    expect(wireguardKeys("worker1", "flannel-wg")).toEqual(one);
    expect(new Set([one, two, wireguardKeys("worker1", "wireguard.cali")].map(({ publicKey }) => publicKey)).size).toBe(
      3,
    );
  });

  it("are pairs: two nodes agree on one secret", () => {
    const secret = diffieHellman({ privateKey: privateOf(one.privateKey), publicKey: publicOf(two.publicKey) });
    expect(diffieHellman({ privateKey: privateOf(two.privateKey), publicKey: publicOf(one.publicKey) })).toEqual(
      secret,
    );
  });

  it("are clamped, so that the kernel shows the key that it was given", () => {
    const bytes = Buffer.from(one.privateKey, "base64");
    expect(bytes).toHaveLength(32);
    expect((bytes[0] ?? 0) & 7).toBe(0);
    expect((bytes[31] ?? 0) & 0xc0).toBe(0x40);
  });
});
