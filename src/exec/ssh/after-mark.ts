import { Transform } from "node:stream";

/** Much more than start-up files say. */
const NOISE_LIMIT = 64 * 1024;
const TAIL = 200;

/** A stream from behind its start mark's line on. What comes before it, a login shell's own words, is kept for errors. */
export class AfterMark extends Transform {
  /** The number on the mark's line; 0 where it has none. Rejects when the stream ends without a mark. */
  readonly marked: Promise<number>;
  noise: Buffer = Buffer.alloc(0);
  /** The last that has passed. */
  tail: Buffer = Buffer.alloc(0);
  private isMarked = false;
  private readonly mark: Buffer;
  private tell!: (number: number) => void;
  private fail!: (error: Error) => void;

  constructor(mark: string) {
    super();
    this.mark = Buffer.from(mark);
    this.marked = new Promise((resolve, reject) => {
      this.tell = resolve;
      this.fail = reject;
    });
    // Who does not ask does not mind.
    this.marked.catch(() => undefined);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.isMarked) {
      this.pass(chunk);
      return done();
    }
    const data = Buffer.concat([this.noise, chunk]);
    const at = data.indexOf(this.mark);
    const end = at === -1 ? -1 : data.indexOf("\n", at);
    if (end === -1) {
      this.noise = data.subarray(-NOISE_LIMIT);
      return done();
    }
    this.isMarked = true;
    this.noise = data.subarray(0, at);
    this.tell(Number(data.toString("latin1", at + this.mark.length, end)));
    if (end + 1 < data.length) this.pass(data.subarray(end + 1));
    done();
  }

  private pass(chunk: Buffer): void {
    this.tail = Buffer.concat([this.tail, chunk.subarray(-TAIL)]).subarray(-TAIL);
    this.push(chunk);
  }

  override _flush(done: () => void): void {
    if (!this.isMarked) this.fail(new Error("it ended before it began"));
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.isMarked) this.fail(error ?? new Error("it was cut before it began"));
    done(error);
  }
}
