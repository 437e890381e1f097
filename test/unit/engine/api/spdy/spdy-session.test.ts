import { createInflate } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SPDY_DICTIONARY } from "../../../../../src/engine/api/spdy/dictionary.ts";
import {
  controlFrame,
  dataFrame,
  FrameReader,
  SpdyError,
  TYPE,
  words,
} from "../../../../../src/engine/api/spdy/frames.ts";
import { emptyHeaders, HeaderReader } from "../../../../../src/engine/api/spdy/headers.ts";
import { SpdySession, type SpdyStream } from "../../../../../src/engine/api/spdy/spdy-session.ts";
import { HeaderWriter, opening } from "../../../../spdy-client.ts";

function sessionOf(onStream: (stream: SpdyStream) => boolean): { session: SpdySession; sent: Buffer[] } {
  const sent: Buffer[] = [];
  const send = (bytes: Buffer): Promise<boolean> => Promise.resolve(sent.push(bytes) > 0);
  return { session: new SpdySession({ send, onStream }), sent };
}

test("the dictionary is that of SPDY/3, by its checksum", () => {
  let [a, b] = [1, 0];
  for (const byte of SPDY_DICTIONARY) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  expect(((b << 16) | a) >>> 0).toBe(0xe3c6a7c2);
});

test("streams are opened with headers of one compression, and carry bytes both ways", async () => {
  const heard: string[] = [];
  const { session, sent } = sessionOf((stream) => {
    stream.onData = (data) => void heard.push(`${stream.headers.get("port")} ${data.toString()}`);
    stream.onEnd = () => void heard.push(`end ${stream.id}`);
    stream.onReset = () => void heard.push(`reset ${stream.id}`);
    return stream.headers.get("streamtype") === "data";
  });
  const writer = new HeaderWriter();
  const first = opening(1, await writer.block({ streamType: "data", port: "80" }));
  const second = opening(3, await writer.block({ StreamType: "data", port: "81" }), 1);
  const refused = opening(5, await writer.block({ streamtype: "other" }));
  const bytes = Buffer.concat([
    first,
    second,
    refused,
    dataFrame(1, Buffer.from("hello"), 1),
    controlFrame(TYPE.ping, words(7)),
  ]);
  for (const byte of bytes) await session.take(Buffer.of(byte));
  await session.take(controlFrame(TYPE.rstStream, words(3, 5)));
  session.close();
  expect(heard).toEqual(["end 3", "80 hello", "end 1", "reset 3", "reset 1"]);
  expect(sent).toEqual([
    controlFrame(TYPE.synReply, Buffer.concat([words(1), emptyHeaders(true)])),
    controlFrame(TYPE.synReply, Buffer.concat([words(3), emptyHeaders(false)])),
    controlFrame(TYPE.rstStream, words(5, 3)),
    controlFrame(TYPE.ping, words(7)),
  ]);
});

test("replies have no headers, as any reader of zlib finds", async () => {
  const inflate = createInflate({ dictionary: SPDY_DICTIONARY });
  inflate.write(Buffer.concat([emptyHeaders(true), emptyHeaders(false)]));
  await new Promise<void>((resolve) => inflate.flush(resolve));
  expect(inflate.read()).toEqual(Buffer.alloc(8));
});

test("headers that are a bomb, broken or too many are refused", async () => {
  const writer = new HeaderWriter();
  await expect(new HeaderReader().read(await writer.block({ a: "x".repeat(1 << 20) }))).rejects.toThrow(SpdyError);
  await expect(new HeaderReader().read(Buffer.from("no zlib"))).rejects.toThrow(SpdyError);
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`h${index}`, ""]));
  await expect(new HeaderReader().read(await new HeaderWriter().block(many))).rejects.toThrow("65 headers");
});

test("a frame that is too large, of another version or out of order ends the connection", async () => {
  expect(() => [...new FrameReader().read(Buffer.of(0, 0, 0, 1, 0, 0xff, 0xff, 0xff))]).toThrow(SpdyError);
  expect(() => [...new FrameReader().read(Buffer.of(0x80, 2, 0, 1, 0, 0, 0, 0))]).toThrow("SPDY/2");
  for (const id of [0, 2]) {
    const { session } = sessionOf(() => true);
    await expect(session.take(opening(id, Buffer.alloc(0)))).rejects.toThrow(SpdyError);
  }
  await expect(sessionOf(() => true).session.take(controlFrame(TYPE.synStream, words(1)))).rejects.toThrow(SpdyError);
});

test("whatever comes, a session takes it or refuses it as SPDY, and holds no more than a frame", async () => {
  const frames = fc.oneof(
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(fc.nat(10), fc.nat(255), fc.uint8Array({ maxLength: 64 }))
      .map(([type, flags, payload]) => controlFrame(type, payload, flags)),
    fc.tuple(fc.nat(9), fc.uint8Array({ maxLength: 64 })).map(([id, payload]) => dataFrame(id, payload)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(frames, { maxLength: 8 }), async (pieces) => {
      const { session } = sessionOf(() => true);
      try {
        for (const piece of pieces) await session.take(piece);
      } catch (error) {
        expect(error).toBeInstanceOf(SpdyError);
      } finally {
        session.close();
      }
    }),
    { numRuns: 300 },
  );
});
