import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { LabError } from "../core/errors.ts";
import { storeVerified, type ExpectedContent } from "./file-cache.ts";

/** The part of the global `fetch` that is used; tests pass their own. */
export type Fetch = (url: string, init: { signal: AbortSignal; redirect: "follow" }) => Promise<Response>;

/** No connection, no header and no byte for so long means that none will come. */
const STALL_TIMEOUT_MS = 30_000;

/**
 * Fetches an address into a file, checked by digest before it is in place. Throws SUPPLY_UNREACHABLE where the source does
 * not answer with the file, and SUPPLY_DIGEST.
 */
export async function download(url: string, path: string, expected: ExpectedContent, fetch: Fetch): Promise<void> {
  const stalled = new AbortController();
  const arm = (): NodeJS.Timeout =>
    setTimeout(
      () => stalled.abort(new Error(`nothing came for ${STALL_TIMEOUT_MS / 1000} s`)),
      STALL_TIMEOUT_MS,
    ).unref();
  let timer = arm();
  const signals = [stalled.signal, ...(expected.signal === undefined ? [] : [expected.signal])];
  const signal = AbortSignal.any(signals);
  try {
    const response = await fetch(url, { signal, redirect: "follow" });
    if (!response.ok || response.body === null) throw new Error(`it answered ${response.status}`);
    const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
    const onBytes = (bytes: number): void => {
      clearTimeout(timer);
      timer = arm();
      expected.onBytes?.(bytes);
    };
    await storeVerified(body, path, { ...expected, signal, onBytes });
  } catch (error) {
    if (error instanceof LabError) throw error;
    expected.signal?.throwIfAborted();
    throw new LabError("SUPPLY_UNREACHABLE", `cannot fetch ${url}: ${reasonOf(error, stalled.signal)}`, {
      cause: error,
      hint: "without the internet, use a bundle: cnilab bundle create LAB on a host that has it, then --bundle PATH",
    });
  } finally {
    clearTimeout(timer);
  }
}

/** undici says "fetch failed" and keeps the reason in the cause. */
function reasonOf(error: unknown, stalled: AbortSignal): string {
  if (stalled.aborted) return (stalled.reason as Error).message;
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return cause.message;
  return error instanceof Error ? error.message : String(error);
}
