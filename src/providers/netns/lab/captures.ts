import { LabError } from "../../../core/errors.ts";
import { PacketCapture } from "../../../kernel/packet-capture.ts";
import type { CapturedPacket } from "../../../kernel/packet-reader.ts";
import type { ExecPlace } from "./exec.ts";

/** Captures that clients have asked for; each ends with `stop`, and with its client. */
export class Captures {
  private readonly running = new Map<number, PacketCapture>();
  private next = 1;

  async start({ namespace, sandbox }: ExecPlace, filter: string, gone: AbortSignal): Promise<{ id: number }> {
    const capture = await PacketCapture.start(namespace, sandbox, filter);
    const id = this.next++;
    this.running.set(id, capture);
    const abandon = (): void => {
      if (this.running.delete(id)) capture.end();
    };
    gone.addEventListener("abort", abandon, { once: true });
    if (gone.aborted) abandon();
    return { id };
  }

  /** Rejects with CAPTURE_FAILED. */
  async stop(id: number): Promise<{ packets: CapturedPacket[] }> {
    const capture = this.running.get(id);
    if (capture === undefined) throw new LabError("CAPTURE_FAILED", "the capture has ended already");
    this.running.delete(id);
    return { packets: await capture.stop() };
  }
}
