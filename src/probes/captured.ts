import { asError } from "../core/as-error.ts";
import { LabError } from "../core/errors.ts";
import type { CapturedPacket } from "../kernel/packet-reader.ts";
import type { RunningCapture } from "../providers/capture.ts";
import type { Cluster, Source } from "../providers/types.ts";

/** A place to capture at. */
export interface CapturePlace {
  name: string;
  source: Source;
}

/**
 * Captures at all places while `work` is done, and hands over what passed. Rejects with CAPTURE_FAILED, and what `work` rejects
 * with; no capture is left.
 */
export async function whileCapturing<Result>(
  cluster: Cluster,
  places: readonly CapturePlace[],
  filter: string,
  work: () => Promise<Result>,
): Promise<{ result: Result; packets: CapturedPacket[][] }> {
  const { capture } = cluster;
  if (capture === undefined) throw new LabError("CAPTURE_FAILED", "nothing can be captured in this cluster");
  const starts = await Promise.allSettled(places.map(({ source }) => capture.call(cluster, source, filter)));
  const running = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const failed = starts.flatMap((start, index) =>
    start.status === "rejected" ? [captureError(start.reason, places[index])] : [],
  );
  try {
    if (failed[0] !== undefined) throw failed[0];
    const result = await work();
    const stops = await stopAll(running.splice(0));
    const packets = stops.map((stop, index) => {
      if (stop.status === "rejected") throw captureError(stop.reason, places[index]);
      return stop.value;
    });
    return { result, packets };
  } finally {
    // Only where something else failed: what these have seen is nobody's any more, and that failure is what is told.
    await stopAll(running);
  }
}

function stopAll(running: readonly RunningCapture[]): Promise<PromiseSettledResult<CapturedPacket[]>[]> {
  return Promise.allSettled(running.map((capture) => capture.stop()));
}

function captureError(error: unknown, place: CapturePlace | undefined): Error {
  if (!(error instanceof LabError)) return asError(error);
  return new LabError(error.code, `at ${place?.name ?? "a place"}: ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}
