import type { EchoReply } from "../kernel/echo.ts";

/** Every IPv4 link takes that much (RFC 791), and every one of IPv6 far more (1280, RFC 8200). */
export const SMALLEST = 68;
/** Sizes that are tried at once. */
const AT_ONCE = 16;

/** What a search found: the longest that was answered, what became of one byte more, and all that was tried. */
export type LargestFound =
  | { largest: number; /** Absent where all of `upTo` bytes passed. */ next?: EchoReply; tried: EchoReply[] }
  | { none: EchoReply };

/**
 * Narrows down the longest packet that is answered, from {@link SMALLEST} to `upTo` bytes: many sizes at once, since one that nobody answers
 * takes its whole deadline, and the MTUs that refusals name. The answered ones decide: a shorter one without an answer was lost. The silence
 * that ends it is heard twice.
 */
export async function searchLargest(
  send: (sizes: number[]) => Promise<EchoReply[]>,
  upTo: number,
): Promise<LargestFound> {
  const replies = new Map<number, EchoReply>();
  const confirmed = new Set<number>();
  const take = async (sizes: number[]): Promise<void> => {
    for (const reply of await send(sizes)) replies.set(reply.size, reply);
  };
  await take([SMALLEST]);
  const first = replies.get(SMALLEST);
  if (first?.outcome !== "answered") return { none: first ?? { size: SMALLEST, outcome: "silent" } };
  for (;;) {
    const tried = [...replies.values()].toSorted((a, b) => a.size - b.size);
    const largest = tried.findLast(({ outcome }) => outcome === "answered")?.size ?? SMALLEST;
    const above = tried.find(({ size }) => size > largest);
    const end = above === undefined ? upTo : above.size - 1;
    if (end > largest) await take(candidates(largest, end, tried));
    else if (above === undefined) return { largest, tried };
    else if (above.outcome !== "silent" || confirmed.has(above.size)) return { largest, tried, next: above };
    else {
      // Silence may be loss: once more, alone.
      confirmed.add(above.size);
      await take([above.size]);
    }
  }
}

/** Sizes above `low`, up to `high`: evenly spread, and those that somebody has named. */
function candidates(low: number, high: number, tried: readonly EchoReply[]): number[] {
  const named = tried.flatMap(({ mtu }) => (mtu === undefined ? [] : [mtu, mtu + 1]));
  const count = Math.min(AT_ONCE, high - low);
  const spread = Array.from({ length: count }, (_, index) => low + Math.ceil(((index + 1) * (high - low)) / count));
  return [...new Set([...named.filter((size) => size > low && size <= high), ...spread])];
}
