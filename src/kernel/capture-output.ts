import { LabError } from "../core/errors.ts";
import { KEPT_PACKETS, PacketReader } from "./packet-reader.ts";
import type { CapturedPacket } from "./packet-reader.ts";

const LISTENING = /^(?:tcpdump: )?listening on /m;
const TIMEOUT_MS = 5000;

/** What a tcpdump(8) prints, as it comes, and waiting for what it is to print. Its waits reject with CAPTURE_FAILED. */
export class CaptureOutput {
  private readonly reader = new PacketReader();
  private said = "";
  private hasEnded = false;
  private wake: () => void = () => undefined;

  /** Packets. */
  take(text: string): void {
    if (this.reader.packets.length > KEPT_PACKETS) return;
    this.reader.take(text);
    this.wake();
  }

  /** Messages. */
  say(text: string): void {
    this.said += text;
    this.wake();
  }

  end(): void {
    this.hasEnded = true;
    this.wake();
  }

  /** Resolves once the kernel hands packets over. */
  untilListening(): Promise<void> {
    return this.until("did not begin to listen", () => LISTENING.test(this.said));
  }

  /** All packets before the one that `isLast` knows, as soon as that one is there. */
  async upTo(isLast: (packet: CapturedPacket) => boolean): Promise<CapturedPacket[]> {
    const { packets } = this.reader;
    await this.until("did not show the last packet", () => packets.some(isLast));
    return packets.slice(0, packets.findIndex(isLast));
  }

  /** Looks each time something has happened. */
  private async until(lacking: string, isThere: () => boolean): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS;
    while (!isThere()) {
      if (this.reader.packets.length > KEPT_PACKETS)
        throw this.failed(`showed more than ${KEPT_PACKETS} packets: some may be lost`);
      if (this.hasEnded) throw this.failed("ended");
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw this.failed(`${lacking} within ${TIMEOUT_MS} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  private failed(how: string): LabError {
    const said = this.said.trim().split("\n").slice(-3).join("; ");
    return new LabError("CAPTURE_FAILED", `tcpdump ${how}${said === "" ? "" : `: ${said}`}`, {
      hint: "it takes tcpdump 4.99 or later, and a loopback device that is up",
    });
  }
}
