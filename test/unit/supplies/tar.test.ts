import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import { readTar } from "../../../src/supplies/tar-entries.ts";
import { applyPax, decodeTarHeader, encodeTarHeader } from "../../../src/supplies/tar-header.ts";
import { tarEnd, tarEntry, tarSymlink } from "./fake-docker.ts";

async function filesOf(source: AsyncIterable<Uint8Array>): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { header, body } of readTar(source)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    files[header.path] = header.type === "symlink" ? `-> ${header.linkPath}` : Buffer.concat(chunks).toString();
  }
  return files;
}

test("what was written is read, in chunks of any size", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 1500 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 1400 }),
      async (texts, size) => {
        const archive = Buffer.concat([...texts.map((text, index) => tarEntry(`file${index}`, text)), tarEnd]);
        const chunks: Buffer[] = [];
        for (let at = 0; at < archive.length; at += size) chunks.push(archive.subarray(at, at + size));
        const read = await filesOf(Readable.from(chunks));
        expect(Object.values(read)).toEqual(texts.map((text) => Buffer.from(text).toString()));
      },
    ),
    { numRuns: 50 },
  );
});

test("bodies that nobody reads are skipped, links have no body", async () => {
  const archive = Buffer.concat([
    tarEntry("a", "x".repeat(3000)),
    tarSymlink("b", "../a"),
    tarEntry("c", "end"),
    tarEnd,
  ]);
  const paths: string[] = [];
  for await (const { header } of readTar(Readable.from([archive]))) paths.push(header.path);
  expect(paths).toEqual(["a", "b", "c"]);
  expect((await filesOf(Readable.from([archive])))["b"]).toBe("-> ../a");
});

test.each([10, 512, 700, 1024])("an archive that ends after %i bytes is an error", async (length) => {
  const archive = Buffer.concat([tarEntry("a", "x".repeat(900)), tarEnd]).subarray(0, length);
  const reading = filesOf(Readable.from([archive]));
  await expect(reading).rejects.toMatchObject({ code: "TAR_TRUNCATED" });
});

test("a changed header is an error", () => {
  const header = encodeTarHeader("a", 1);
  header[0] = 0x62;
  expect(() => decodeTarHeader(header)).toThrow(LabError);
});

test("sizes beyond 8 GiB survive", () => {
  const size = 9 * 1024 ** 3 + 5;
  expect(decodeTarHeader(encodeTarHeader("big", size))).toMatchObject({ path: "big", size });
});

test("pax records replace the next header's path, link and size", () => {
  const header = decodeTarHeader(encodeTarHeader("short", 1));
  const records = Buffer.from("22 path=a/much/longer\n12 size=123\n15 linkpath=to\n");
  expect(header && applyPax(header, records)).toMatchObject({ path: "a/much/longer", size: 123, linkPath: "to" });
});
