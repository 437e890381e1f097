/** ECMA-119 (ISO 9660): everything is in sectors of this many bytes; the first sixteen are the system's own. */
const SECTOR = 2048;
const DESCRIPTORS_AT = 16;
const TABLES_AT = 18;
const ROOT_AT = 20;
const FILES_AT = 21;

/**
 * An ISO 9660 image with files in its root folder. Names are written as they are, which the standard does not allow for small letters
 * and dashes; Linux, the one that reads it (isofs), takes them so. Throws RangeError where names or files are too large.
 */
export function isoImage(label: string, files: Readonly<Record<string, string>>): Buffer {
  const contents = Object.entries(files)
    .map(([name, text]) => ({ name, data: Buffer.from(text, "utf8") }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  let sector = FILES_AT;
  const placed = contents.map(({ name, data }) => {
    const at = sector;
    sector += Math.max(1, Math.ceil(data.length / SECTOR));
    return { name, data, at };
  });
  const image = Buffer.alloc(sector * SECTOR);
  const self = record(Buffer.from([0]), { at: ROOT_AT, bytes: SECTOR, isFolder: true });
  const parent = record(Buffer.from([1]), { at: ROOT_AT, bytes: SECTOR, isFolder: true });
  const entries = placed.map(({ name, data, at }) => record(Buffer.from(name), { at, bytes: data.length }));
  const folder = Buffer.concat([self, parent, ...entries]);
  if (folder.length > SECTOR) throw new RangeError("an ISO image of ours has one sector of files");
  folder.copy(image, ROOT_AT * SECTOR);
  for (const { data, at } of placed) data.copy(image, at * SECTOR);
  for (const [at, isBigEndian] of [[TABLES_AT, false] as const, [TABLES_AT + 1, true] as const]) {
    pathTable(isBigEndian).copy(image, at * SECTOR);
  }
  primaryDescriptor(label, sector, self).copy(image, DESCRIPTORS_AT * SECTOR);
  Buffer.from("\u00ffCD001\u0001", "latin1").copy(image, (DESCRIPTORS_AT + 1) * SECTOR);
  return image;
}

/** ECMA-119, 9.1. */
function record(name: Buffer, { at, bytes, isFolder = false }: { at: number; bytes: number; isFolder?: boolean }) {
  const length = 33 + name.length + (name.length % 2 === 0 ? 1 : 0);
  const data = Buffer.alloc(length);
  data.writeUInt8(length, 0);
  both32(data, at, 2);
  both32(data, bytes, 10);
  // 1 January 2000, so that the same files are the same image.
  Buffer.from([100, 1, 1, 0, 0, 0, 0]).copy(data, 18);
  data.writeUInt8(isFolder ? 2 : 0, 25);
  both16(data, 1, 28);
  data.writeUInt8(name.length, 32);
  name.copy(data, 33);
  return data;
}

/** ECMA-119, 9.4: of the root folder alone. */
function pathTable(isBigEndian: boolean): Buffer {
  const data = Buffer.alloc(10);
  data.writeUInt8(1, 0);
  if (isBigEndian) {
    data.writeUInt32BE(ROOT_AT, 2);
    data.writeUInt16BE(1, 6);
  } else {
    data.writeUInt32LE(ROOT_AT, 2);
    data.writeUInt16LE(1, 6);
  }
  return data;
}

/** ECMA-119, 8.4. */
function primaryDescriptor(label: string, sectors: number, root: Buffer): Buffer {
  const data = Buffer.alloc(SECTOR);
  data.write("\u0001CD001\u0001", 0, "latin1");
  data.fill(" ", 8, 72);
  data.write(label.slice(0, 32), 40, "latin1");
  both32(data, sectors, 80);
  both16(data, 1, 120);
  both16(data, 1, 124);
  both16(data, SECTOR, 128);
  both32(data, 10, 132);
  data.writeUInt32LE(TABLES_AT, 140);
  data.writeUInt32BE(TABLES_AT + 1, 148);
  root.copy(data, 156);
  data.fill(" ", 190, 813);
  // Four dates that nobody gave: digits zero, then the zone.
  for (const at of [813, 830, 847, 864]) data.fill("0", at, at + 16);
  data.writeUInt8(1, 881);
  return data;
}

function both32(data: Buffer, value: number, at: number): void {
  data.writeUInt32LE(value, at);
  data.writeUInt32BE(value, at + 4);
}

function both16(data: Buffer, value: number, at: number): void {
  data.writeUInt16LE(value, at);
  data.writeUInt16BE(value, at + 2);
}
