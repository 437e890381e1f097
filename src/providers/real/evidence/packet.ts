/** A packet as a capture shows it. */
export interface Packet {
  /** Where tcpdump names it. */
  interface: string | undefined;
  /** Taken in at that interface, or on its way out. */
  isIn: boolean;
  source: string;
  sourcePort?: number;
  destination: string;
  destinationPort?: number;
  /** "SYN", "SYN-ACK", "RST", "segment", "datagram", "echo request", "echo reply", or an ICMP error's own words. */
  what: string;
  /** Absolute TCP sequence number, which address translation leaves as it is. */
  sequence?: number;
  acknowledged?: number;
  /** ICMP echo identifier. */
  echoId?: number;
  line: string;
}

/** `-i any` of tcpdump 4.99 and later names interface and direction (DLT_LINUX_SLL2); P, B, M are other ways of taking in. */
const LINE = /^\S+ (?:(\S+) +(In|Out|P|B|M) +)?IP6? (\S+) > (\S+): (.*)$/;

/** Reads a line of `tcpdump -n -S -i any`; undefined for what is no IP packet. */
export function parsePacket(line: string): Packet | undefined {
  const match = LINE.exec(line);
  if (match === null) return undefined;
  const [, device, direction, from = "", to = "", rest = ""] = match;
  const [source, destination] = [parseEnd(from), parseEnd(to)];
  return {
    interface: device,
    isIn: direction !== "Out",
    source: source.address,
    ...(source.port === undefined ? {} : { sourcePort: source.port }),
    destination: destination.address,
    ...(destination.port === undefined ? {} : { destinationPort: destination.port }),
    ...describe(rest),
    line,
  };
}

/** `10.0.0.1.8080`, `fd00::1.8080`, or without a port where there is none. */
function parseEnd(text: string): { address: string; port?: number } {
  const [, address = text, port] = /^((?:\d+\.){3}\d+|[0-9a-f:]*:[0-9a-f:]*)(?:\.(\d+))?$/.exec(text) ?? [];
  return port === undefined ? { address } : { address, port: Number(port) };
}

function describe(rest: string): Pick<Packet, "what" | "sequence" | "acknowledged" | "echoId"> {
  const flags = /^Flags \[([^\]]*)\]/.exec(rest)?.[1];
  if (flags !== undefined) {
    const number = (name: string): number | undefined => {
      const found = new RegExp(`\\b${name} (\\d+)`).exec(rest)?.[1];
      return found === undefined ? undefined : Number(found);
    };
    const [sequence, acknowledged] = [number("seq"), number("ack")];
    return {
      what: segmentName(flags),
      ...(sequence === undefined ? {} : { sequence }),
      ...(acknowledged === undefined ? {} : { acknowledged }),
    };
  }
  const echo = /^ICMP6?,? (echo re(?:quest|ply)), id (\d+)/.exec(rest);
  if (echo !== null) return { what: echo[1] ?? "", echoId: Number(echo[2]) };
  if (/^ICMP6?\b/.test(rest)) return { what: rest.replace(/, length \d+$/, "") };
  return { what: "datagram" };
}

function segmentName(flags: string): string {
  if (flags.includes("R")) return "RST";
  if (flags.includes("S")) return flags.includes(".") ? "SYN-ACK" : "SYN";
  return "segment";
}
