import { createHash, createPrivateKey, createPublicKey } from "node:crypto";

/** DER of a PKCS #8 X25519 private key up to the key itself (RFC 8410). */
const PKCS8_X25519 = Buffer.from("302e020100300506032b656e04220420", "hex");

/** A node's WireGuard keys, in base64 as wg(8) shows them. */
export interface WireguardKeys {
  privateKey: string;
  publicKey: string;
}

/**
 * Keys drawn from the node's and the device's name: the same for every look at a node, as its operations have to be. They encrypt as
 * any others do and keep nobody out who knows the names: what they protect never leaves the lab.
 */
export function wireguardKeys(node: string, device: string): WireguardKeys {
  const secret = createHash("sha256").update(`cnilab ${device} ${node}`).digest();
  // Clamped as RFC 7748 has it: the kernel does so, too, and would show another key than it was given.
  secret[0] = (secret[0] ?? 0) & 248;
  secret[31] = ((secret[31] ?? 0) & 127) | 64;
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, secret]), format: "der", type: "pkcs8" });
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return { privateKey: secret.toString("base64"), publicKey: Buffer.from(x, "base64url").toString("base64") };
}
