import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { LabError } from "../core/errors.ts";
import { calls, check } from "./libc.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { KEPT_PACKETS, packetCommand, PacketReader } from "./packet-reader.ts";
import type { CapturedPacket } from "./packet-reader.ts";
import type { SandboxOptions } from "./sandbox.ts";
import { killGroup, started, startSandboxed } from "./sandboxed-command.ts";
import { openSocket, socketAddress } from "./sockets.ts";

const LISTENING = /^(?:tcpdump: )?listening on /m;
const TIMEOUT_MS = 5000;
/** The discard port (RFC 863) of the loopback address: where the last packet of a capture goes. */
const LAST = { address: "127.0.0.1", port: 9 } as const;

/**
 * A tcpdump(8) in a network namespace. What it has not printed yet when it is stopped would be lost, and nothing tells that it
 * has printed all: so the end is a packet of ours, sent inside the namespace, which comes out after all that came before it.
 */
export class PacketCapture {
  private readonly reader = new PacketReader();
  private readonly namespace: NetworkNamespace;
  private readonly child: ChildProcess;
  private readonly closed: Promise<void>;
  private isClosed = false;
  private said = "";
  private wake: () => void = () => undefined;

  private constructor(namespace: NetworkNamespace, child: ChildProcess) {
    this.namespace = namespace;
    this.child = child;
    this.closed = new Promise((resolve) => {
      child.once("close", () => {
        this.isClosed = true;
        this.wake();
        resolve();
      });
    });
    child.stdout?.on("data", (chunk: Buffer) => {
      if (this.reader.packets.length > KEPT_PACKETS) return;
      this.reader.take(chunk.toString("latin1"));
      this.wake();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.said += chunk.toString("utf8");
      this.wake();
    });
  }

  /** Resolves once the kernel hands over what the filter (pcap-filter(7)) lets through. Rejects with CAPTURE_FAILED. */
  static async start(namespace: NetworkNamespace, sandbox: SandboxOptions, filter: string): Promise<PacketCapture> {
    const last = `(udp and dst host ${LAST.address} and dst port ${LAST.port})`;
    const argv = packetCommand(`(${filter}) or ${last}`);
    const child = startSandboxed(namespace, sandbox, argv, "ignore");
    const capture = new PacketCapture(namespace, child);
    try {
      await started(child, argv);
      await capture.until("did not begin to listen", () => LISTENING.test(capture.said));
      return capture;
    } catch (error) {
      capture.end();
      throw error;
    }
  }

  /** All that passed before the call; nothing of the capture is left, also when it rejects with CAPTURE_FAILED. */
  async stop(): Promise<CapturedPacket[]> {
    try {
      const mark = randomBytes(16);
      const { packets } = this.reader;
      this.sendLast(mark);
      const hex = mark.toString("hex");
      await this.until("did not show the last packet", () => packets.some((packet) => packet.hex.endsWith(hex)));
      return packets.slice(
        0,
        packets.findIndex((packet) => packet.hex.endsWith(hex)),
      );
    } finally {
      this.end();
      await this.closed;
    }
  }

  end(): void {
    killGroup(this.child);
  }

  private sendLast(mark: Buffer): void {
    this.namespace.enter(() => {
      const fd = openSocket("udp", LAST.address);
      try {
        const name = socketAddress(LAST.address, LAST.port);
        check("connect", calls.connect(fd, name, name.length));
        check("send", Number(calls.send(fd, mark, mark.length, 0)));
      } finally {
        calls.close(fd);
      }
    });
  }

  /** Looks each time something has happened. */
  private async until(lacking: string, isThere: () => boolean): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS;
    while (!isThere()) {
      if (this.reader.packets.length > KEPT_PACKETS)
        throw this.failed(`showed more than ${KEPT_PACKETS} packets: some may be lost`);
      if (this.isClosed) throw this.failed("ended");
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
