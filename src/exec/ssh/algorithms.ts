import type { Algorithms } from "ssh2";
import { LabError } from "../../core/errors.ts";
import type { Hop } from "./ssh-config.ts";

/*
 * What ssh2 1.17 has (its lib/protocol/constants.js), in its order of preference: its ciphers are those of the CPU first, where
 * OpenSSH has ChaCha20, which is slow in JavaScript. The configuration says what may be used of it.
 */
const KEX = [
  "curve25519-sha256@libssh.org",
  "curve25519-sha256",
  "ecdh-sha2-nistp256",
  "ecdh-sha2-nistp384",
  "ecdh-sha2-nistp521",
  "diffie-hellman-group-exchange-sha256",
  "diffie-hellman-group14-sha256",
  "diffie-hellman-group16-sha512",
  "diffie-hellman-group18-sha512",
];
const CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"];
const MACS = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"];
const HOST_KEYS = new Set([
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
  "ssh-rsa",
]);

/** What may be used and can be; SSH_CONFIG where that is nothing. Host keys keep their order. */
export function supported(wanted: Hop["algorithms"], { label }: Pick<Hop, "label">): Algorithms {
  const some = (what: string, list: readonly string[]): string[] => {
    if (list.length > 0) return [...list];
    throw new LabError("SSH_CONFIG", `${label}: none of the ${what} that its configuration allows is supported`);
  };
  const of = (own: readonly string[], allowed: readonly string[]): string[] =>
    own.filter((each) => allowed.includes(each));
  const hostKeys = wanted.hostKey.filter((each) => HOST_KEYS.has(each));
  return {
    kex: some("KexAlgorithms", of(KEX, wanted.kex)),
    cipher: some("Ciphers", of(CIPHERS, wanted.cipher)),
    // Ciphers with a MAC of their own need none, but a list must not be empty.
    hmac: some("MACs", of(MACS, wanted.mac)),
    serverHostKey: some("HostKeyAlgorithms", hostKeys),
  } as Algorithms;
}
