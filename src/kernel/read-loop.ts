import { writeSync } from "node:fs";
import { EPOLLIN, Epoll } from "./epoll.ts";
import { calls, check, readableAside } from "./libc.ts";

const EFD_CLOEXEC = 0o2000000;

/**
 * Calls back on this thread when sockets can be read that Node knows no kind of stream for. All of them together keep one
 * thread of libuv's pool, from the first one on.
 */
export class ReadLoop {
  private readonly epoll = new Epoll();
  private readonly handlers = new Map<number, () => void>();
  private readonly onFailure: (error: unknown) => void;
  /** Ends the wait of the pool's thread. */
  private readonly end = check("eventfd", calls.eventfd(0, EFD_CLOEXEC));
  private running: Promise<void> | undefined;
  private isClosed = false;

  /** `onFailure` is told what a callback threw, and why the loop ended. */
  constructor(onFailure: (error: unknown) => void) {
    this.onFailure = onFailure;
    this.epoll.add(this.end, EPOLLIN);
  }

  /** `read` must take all that is there, or is called again. */
  add(fd: number, read: () => void): void {
    this.handlers.set(fd, read);
    this.epoll.add(fd, EPOLLIN);
    this.running ??= this.run().catch(this.onFailure);
  }

  private async run(): Promise<void> {
    while (!this.isClosed) {
      await readableAside(this.epoll.fd);
      for (const fd of this.epoll.wait(0)) {
        try {
          this.handlers.get(fd)?.();
        } catch (error) {
          this.onFailure(error);
        }
      }
    }
  }

  /** Resolves when nobody waits any more. The sockets stay open. */
  async close(): Promise<void> {
    this.isClosed = true;
    const one = Buffer.alloc(8);
    one.writeBigUInt64LE(1n);
    writeSync(this.end, one);
    await this.running;
    this.epoll.close();
    calls.close(this.end);
  }
}
