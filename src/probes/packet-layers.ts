import { formatIp } from "../core/ip.ts";

/** What carries a packet inside another one. */
export type Tunnel = "vxlan" | "ipip";

/** A packet that no further one is in: IP header and the beginning of what follows. */
export interface InnerPacket {
  source: string;
  destination: string;
  /** Routers left that it may pass: TTL, or hop limit. */
  ttl: number;
  length: number;
  content:
    | { protocol: "tcp"; sourcePort: number; destinationPort: number; sequence: number; isSyn: boolean }
    | { protocol: "udp"; sourcePort: number; destinationPort: number; payload: Buffer }
    | { protocol: "icmp"; type: number; payload: Buffer }
    /** IP protocol number; ESP (RFC 4303) is 50. */
    | { protocol: "other"; number: number };
}

/** A packet with what it is wrapped in, the outermost first. */
export interface LayeredPacket {
  tunnels: { tunnel: Tunnel; source: string; destination: string }[];
  inner: InnerPacket;
}

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
const IN_IP: readonly number[] = [4, 41];
/** RFC 7348: the I flag alone, reserved bits zero; then an Ethernet header. */
const VXLAN_FLAGS = 0x08;
const VXLAN_HEADER = 8;
const ETHERNET_HEADER = 14;
const ETHERTYPES: readonly number[] = [0x0800, 0x86dd];

/** Unwraps a packet that begins with its IP header; undefined for what is no whole IPv4 or IPv6 header. */
export function readLayers(packet: Buffer): LayeredPacket | undefined {
  const header = readHeader(packet);
  if (header === undefined) return undefined;
  const { source, destination, protocol, payload } = header;
  const [tunnel, inside] = unwrap(protocol, payload);
  const inner = inside === undefined ? undefined : readLayers(inside);
  if (tunnel !== undefined && inner !== undefined) {
    return { ...inner, tunnels: [{ tunnel, source, destination }, ...inner.tunnels] };
  }
  const { ttl, length } = header;
  return { tunnels: [], inner: { source, destination, ttl, length, content: readContent(protocol, payload) } };
}

function unwrap(protocol: number, payload: Buffer): [Tunnel, Buffer] | [] {
  if (IN_IP.includes(protocol)) return ["ipip", payload];
  if (protocol !== UDP) return [];
  const data = payload.subarray(8);
  if (data.length < VXLAN_HEADER + ETHERNET_HEADER) return [];
  // Any port: a lab may have set another than the CNI's own.
  if (data.readUInt32BE(0) !== VXLAN_FLAGS << 24 || data[7] !== 0) return [];
  if (!ETHERTYPES.includes(data.readUInt16BE(VXLAN_HEADER + 12))) return [];
  return ["vxlan", data.subarray(VXLAN_HEADER + ETHERNET_HEADER)];
}

interface Header {
  source: string;
  destination: string;
  ttl: number;
  length: number;
  protocol: number;
  payload: Buffer;
}

function readHeader(packet: Buffer): Header | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= 20) {
    const length = packet.readUInt16BE(2);
    return {
      source: [...packet.subarray(12, 16)].join("."),
      destination: [...packet.subarray(16, 20)].join("."),
      ttl: packet[8] ?? 0,
      length,
      protocol: packet[9] ?? 0,
      payload: packet.subarray(((packet[0] ?? 0) & 15) * 4, length),
    };
  }
  if (version !== 6 || packet.length < 40) return undefined;
  const length = 40 + packet.readUInt16BE(4);
  return {
    source: ipv6Text(packet.subarray(8, 24)),
    destination: ipv6Text(packet.subarray(24, 40)),
    ttl: packet[7] ?? 0,
    length,
    protocol: packet[6] ?? 0,
    payload: packet.subarray(40, length),
  };
}

function ipv6Text(bytes: Buffer): string {
  return formatIp({ family: 6, value: BigInt(`0x${bytes.toString("hex")}`) });
}

function readContent(protocol: number, payload: Buffer): InnerPacket["content"] {
  if (protocol === TCP && payload.length >= 20) {
    return {
      protocol: "tcp",
      sourcePort: payload.readUInt16BE(0),
      destinationPort: payload.readUInt16BE(2),
      sequence: payload.readUInt32BE(4),
      isSyn: ((payload[13] ?? 0) & 0x12) === 0x02,
    };
  }
  if (protocol === UDP && payload.length >= 8) {
    return {
      protocol: "udp",
      sourcePort: payload.readUInt16BE(0),
      destinationPort: payload.readUInt16BE(2),
      payload: payload.subarray(8),
    };
  }
  if ((protocol === ICMP || protocol === ICMPV6) && payload.length >= 8) {
    return { protocol: "icmp", type: payload[0] ?? 0, payload: payload.subarray(8) };
  }
  return { protocol: "other", number: protocol };
}
