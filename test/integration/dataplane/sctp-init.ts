/** CRC-32C, reflected, as SCTP has it: connection tracking passes over packets whose sum is wrong (RFC 9260, appendix A). */
function crc32c(bytes: Uint8Array): number {
  let sum = 0xffff_ffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0x82f6_3b78 : sum >>> 1;
  }
  return (sum ^ 0xffff_ffff) >>> 0;
}

/** The first packet of an association, without its IP header: common header and INIT (RFC 9260, 3.1 and 3.3.2). */
export function sctpInit(sourcePort: number, destinationPort: number): Uint8Array {
  const packet = Buffer.alloc(12 + 20);
  packet.writeUInt16BE(sourcePort, 0);
  packet.writeUInt16BE(destinationPort, 2);
  // The verification tag of an INIT is 0; the chunk: type 1, no flags, its length, initiate tag, window, streams, TSN.
  packet.writeUInt8(1, 12);
  packet.writeUInt16BE(20, 14);
  packet.writeUInt32BE(0x5eed_0001, 16);
  packet.writeUInt32BE(65_536, 20);
  packet.writeUInt16BE(1, 24);
  packet.writeUInt16BE(1, 26);
  packet.writeUInt32BE(1, 28);
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}

/** The destination port of a packet as a raw socket gives it, its IPv4 header in front. */
export function destinationPortOf(packet: Uint8Array): number {
  const headerBytes = ((packet[0] ?? 0) & 15) * 4;
  return Buffer.from(packet).readUInt16BE(headerBytes + 2);
}
