import { LabError } from "../core/errors.ts";

/** tar(5): everything is in blocks of this size. */
export const TAR_BLOCK = 512;

/** One entry's header, as ustar has it. */
export interface TarHeader {
  path: string;
  size: number;
  /** "file", "directory", "symlink" and "link" by tar(5)'s typeflag; "pax" for extended headers, which say more of the next entry. */
  type: "file" | "directory" | "symlink" | "link" | "pax" | "pax-global" | "other";
  linkPath: string;
}

const TYPES: Readonly<Record<string, TarHeader["type"]>> = {
  "\0": "file",
  "0": "file",
  "1": "link",
  "2": "symlink",
  "5": "directory",
  x: "pax",
  g: "pax-global",
};

/** Numbers beyond 11 octal digits have the first bit set and are big-endian (GNU; Go's archive/tar writes them so, too). */
const MAX_OCTAL = 0o77777777777;

/** The header of a file in an archive of our own; no time and no owner, so that equal contents make equal archives. */
export function encodeTarHeader(path: string, size: number, mode = 0o644): Buffer {
  if (Buffer.byteLength(path) > 100) throw new Error(`a path of more than 100 bytes: ${path}`);
  const header = Buffer.alloc(TAR_BLOCK);
  header.write(path, 0);
  header.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  if (size <= MAX_OCTAL) header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  else {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** Bytes that fill the last block of contents of that size. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/** Undefined for a block of zeros, which ends an archive. Throws TAR_INVALID where the checksum is wrong. */
export function decodeTarHeader(block: Buffer): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const written = Number.parseInt(text(block, 148, 8).trim(), 8);
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
  if (written !== sum) throw new LabError("TAR_INVALID", "a tar header's checksum is wrong");
  const isUstar = text(block, 257, 5) === "ustar";
  const prefix = isUstar ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    size: decodeSize(block),
    type: TYPES[String.fromCharCode(block[156] as number)] ?? "other",
    linkPath: text(block, 157, 100),
  };
}

function decodeSize(block: Buffer): number {
  if (((block[124] as number) & 0x80) !== 0) return Number(block.readBigUInt64BE(128));
  const digits = text(block, 124, 12).trim();
  if (!/^[0-7]+$/.test(digits)) throw new LabError("TAR_INVALID", "a tar header's size is no octal number");
  return Number.parseInt(digits, 8);
}

function text(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.subarray(0, end < 0 ? length : end).toString();
}

/** pax(1): `LENGTH KEY=VALUE\n` records; `path`, `linkpath` and `size` replace the next header's. */
export function applyPax(header: TarHeader, records: Buffer): TarHeader {
  const changed = { ...header };
  for (let at = 0; at < records.length;) {
    const space = records.indexOf(0x20, at);
    const length = Number(records.subarray(at, space).toString());
    if (space < 0 || !Number.isInteger(length) || length <= 0) {
      throw new LabError("TAR_INVALID", "a pax record of a tar archive has no length");
    }
    const record = records.subarray(space + 1, at + length - 1).toString();
    const equals = record.indexOf("=");
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === "path") changed.path = value;
    if (key === "linkpath") changed.linkPath = value;
    if (key === "size") changed.size = Number(value);
    at += length;
  }
  return changed;
}
