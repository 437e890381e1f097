/** What a TLS client says before anything is encrypted (RFC 8446 4.1.2). */
export interface ClientHello {
  /** The name it asks for (RFC 6066 3). */
  serverName?: string;
  /** The protocols it offers (RFC 7301), in its order. */
  protocols: string[];
}

const HANDSHAKE = 0x16;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
/** Longer ones are taken for no TLS. */
const LONGEST = 1 << 16;

/** Reads the ClientHello that a connection begins with; undefined where it is none. */
export function readClientHello(bytes: Buffer): ClientHello | "incomplete" | undefined {
  const message = handshakeMessage(bytes);
  if (message === undefined || message === "incomplete") return message;
  try {
    return parse(message);
  } catch (error) {
    // Lengths that lead out of the message.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The first handshake message, put together from its records (RFC 8446 5.1). */
function handshakeMessage(bytes: Buffer): Buffer | "incomplete" | undefined {
  const parts: Buffer[] = [];
  let size = 0;
  for (let at = 0; ;) {
    if (bytes.length < at + 5) return "incomplete";
    if (bytes[at] !== HANDSHAKE || bytes[at + 1] !== 3) return undefined;
    const length = bytes.readUInt16BE(at + 3);
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    size += part.length;
    if (size >= 4) {
      const whole = Buffer.concat(parts);
      const wanted = 4 + whole.readUIntBE(1, 3);
      if (whole[0] !== CLIENT_HELLO || wanted > LONGEST) return undefined;
      if (whole.length >= wanted) return whole.subarray(4, wanted);
    }
    if (part.length < length) return "incomplete";
    at += 5 + length;
  }
}

function parse(message: Buffer): ClientHello {
  // Version and random, session, cipher suites, compression.
  let at = 34;
  at += 1 + message.readUInt8(at);
  at += 2 + message.readUInt16BE(at);
  at += 1 + message.readUInt8(at);
  const hello: ClientHello = { protocols: [] };
  if (at === message.length) return hello;
  const end = at + 2 + message.readUInt16BE(at);
  at += 2;
  while (at < end) {
    const type = message.readUInt16BE(at);
    const length = message.readUInt16BE(at + 2);
    const value = message.subarray(at + 4, at + 4 + length);
    if (type === SERVER_NAME && value.length > 5)
      hello.serverName = value.subarray(5, 5 + value.readUInt16BE(3)).toString("latin1");
    if (type === ALPN) hello.protocols = protocolsIn(value);
    at += 4 + length;
  }
  return hello;
}

function protocolsIn(value: Buffer): string[] {
  const protocols: string[] = [];
  for (let at = 2; at < value.length;) {
    const length = value.readUInt8(at);
    protocols.push(value.subarray(at + 1, at + 1 + length).toString("latin1"));
    at += 1 + length;
  }
  return protocols;
}
