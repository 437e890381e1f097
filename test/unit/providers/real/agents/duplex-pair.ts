import { Duplex } from "node:stream";

class Side extends Duplex {
  other: Side | undefined;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.other?.push(chunk);
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.other?.readableEnded === false) this.other.push(null);
    done(error);
  }
}

/** Two streams of which each reads what the other writes, as a channel's two ends. */
export function duplexPair(): [Duplex, Duplex] {
  const near = new Side();
  const far = new Side();
  near.other = far;
  far.other = near;
  return [near, far];
}
