/** A source of numbers in [0, 1) that repeats for equal seeds (mulberry32); not for secrets. */
export type Random = () => number;

/** A repeatable {@link Random}: the same lab gets the same pod names and addresses in every run. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Kubernetes' alphabet for generated names: no vowels and no look-alikes (apimachinery util/rand). */
const NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** The suffix of a generated name; five characters as the API server makes them. */
export function nameSuffix(random: Random, length = 5): string {
  let suffix = "";
  for (let index = 0; index < length; index += 1) suffix += NAME_ALPHABET[Math.floor(random() * NAME_ALPHABET.length)];
  return suffix;
}

/** FNV-1a, 32 bits, of the text's UTF-8 bytes (draft-eastlake-fnv). */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** A number's decimal digits mapped into the name alphabet (apimachinery rand.SafeEncodeString). */
export function safeEncode(number: number): string {
  return String(number).replaceAll(/\d/g, (digit) => NAME_ALPHABET[digit.charCodeAt(0) % NAME_ALPHABET.length] ?? "");
}

/** A version 4 shaped UUID from a repeatable source. */
export function seededUuid(random: Random): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16));
  hex[12] = "4";
  hex[16] = "89ab"[Math.floor(random() * 4)] ?? "8";
  const text = hex.join("");
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join("-");
}
