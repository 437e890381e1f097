/** What of an attribute's type is its number; the rest are flags. */
export const NLA_TYPE_MASK = 0x3fff;

/** The attributes of a netlink payload (netlink(7), struct nlattr), flags stripped from their types. */
export function* attributesOf(buffer: Buffer): Generator<{ type: number; value: Buffer }> {
  for (let at = 0; at + 4 <= buffer.length;) {
    const length = buffer.readUInt16LE(at);
    if (length < 4) return;
    yield {
      type: buffer.readUInt16LE(at + 2) & NLA_TYPE_MASK,
      value: buffer.subarray(at + 4, at + length),
    };
    at += (length + 3) & ~3;
  }
}

/** The first attribute of a type. */
export function attributeValue(buffer: Buffer, type: number): Buffer | undefined {
  for (const attribute of attributesOf(buffer)) if (attribute.type === type) return attribute.value;
  return undefined;
}
