import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { CaptureOutput } from "./capture-output.ts";
import { calls, check } from "./libc.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { packetCommand } from "./packet-reader.ts";
import type { CapturedPacket } from "./packet-reader.ts";
import type { SandboxOptions } from "./sandbox.ts";
import { killGroup, started, startSandboxed } from "./sandboxed-command.ts";
import { openSocket, socketAddress } from "./sockets.ts";

/** The discard port (RFC 863) of the loopback address: where the last packet of a capture goes. */
const LAST = { address: "127.0.0.1", port: 9 } as const;

/**
 * A tcpdump(8) in a network namespace. What it has not printed yet when it is stopped would be lost, and nothing tells that it
 * has printed all: so the end is a packet of ours, sent inside the namespace, which comes out after all that came before it.
 */
export class PacketCapture {
  private readonly output = new CaptureOutput();
  private readonly namespace: NetworkNamespace;
  private readonly child: ChildProcess;
  private readonly closed: Promise<void>;

  private constructor(namespace: NetworkNamespace, child: ChildProcess) {
    this.namespace = namespace;
    this.child = child;
    this.closed = new Promise((resolve) => {
      child.once("close", () => {
        this.output.end();
        resolve();
      });
    });
    child.stdout?.on("data", (chunk: Buffer) => this.output.take(chunk.toString("latin1")));
    child.stderr?.on("data", (chunk: Buffer) => this.output.say(chunk.toString("utf8")));
  }

  /** Resolves once the kernel hands over what the filter (pcap-filter(7)) lets through. Rejects with CAPTURE_FAILED. */
  static async start(namespace: NetworkNamespace, sandbox: SandboxOptions, filter: string): Promise<PacketCapture> {
    const last = `(udp and dst host ${LAST.address} and dst port ${LAST.port})`;
    const argv = packetCommand(`(${filter}) or ${last}`);
    const child = startSandboxed(namespace, sandbox, argv, "ignore");
    const capture = new PacketCapture(namespace, child);
    try {
      await started(child, argv);
      await capture.output.untilListening();
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
      this.sendLast(mark);
      const hex = mark.toString("hex");
      return await this.output.upTo((packet) => packet.hex.endsWith(hex));
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
}
