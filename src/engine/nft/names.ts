import { createHash } from "node:crypto";

/**
 * Chain and set names stay well under the kernel's limits (NFT_NAME_MAXLEN, 256, and libnftables' 128 for chains), so
 * that a listing stays readable.
 */
const READABLE_LENGTH = 60;

/** What nft(8) takes as an unquoted identifier, after its first letter. */
const SAFE = /^[A-Za-z0-9._/-]+$/;

export function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/**
 * "prefix-name" where `name` is short and made of safe characters, else "prefix-hash": object names are input of others
 * and must never be read as syntax. `prefix` begins with a letter.
 */
export function identifier(prefix: string, name: string): string {
  const readable = SAFE.test(name) && name.length <= READABLE_LENGTH;
  return `${prefix}-${readable ? name : shortHash(name)}`;
}

/** A quoted comment; nft has no escapes inside quotes and takes at most 128 bytes with the closing zero. */
export function comment(text: string): string {
  const safe = text.replaceAll(/[^A-Za-z0-9 ._/:=,()[\]!<>+-]/g, "?");
  return `comment "${safe.length > 120 ? `${safe.slice(0, 117)}...` : safe}"`;
}
