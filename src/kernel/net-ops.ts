/** Stands in `fdb-add` for every hardware address that no other entry has; several tunnel ends may have it, and each gets a copy. */
export const EVERY_LLADDR = "00:00:00:00:00:00";

/**
 * Network configuration as plain data, in the order the kernel must see it. `rtnetlink.ts` turns it into messages; the
 * CNI models produce it. Field names follow iproute2's words.
 */
export type NetOp =
  | { op: "link-up" | "link-down"; name: string }
  | {
      op: "link-set";
      name: string;
      mtu?: number;
      address?: string;
      master?: string;
      hairpin?: boolean;
      /** Larger TCP segments are cut before the link takes them (ip-link(8), gso_max_segs); 65535 is the kernel's own. */
      gsoMaxSegments?: number;
    }
  /** Takes no link-local address when it comes up, and so no duplicate address detection (addrgenmode none). */
  | { op: "link-without-ipv6-address"; name: string }
  | { op: "link-delete"; name: string }
  /** A pair whose other end appears in the namespace `peerNamespace` (a key the caller resolves). */
  | {
      op: "veth-add";
      name: string;
      mtu?: number;
      address?: string;
      /** This end is up when it appears, the other not. */
      up?: boolean;
      peer: { name: string; namespace: string; mtu?: number; address?: string };
    }
  | { op: "bridge-add"; name: string; mtu?: number; address?: string }
  | {
      op: "vxlan-add";
      name: string;
      vni: number;
      /** Address of the tunnel's end on the node network. */
      local: string;
      /** Interface the tunnel runs over. */
      dev: string;
      port: number;
      mtu?: number;
      address?: string;
      learning: boolean;
    }
  /**
   * An IP in IP device of any local and remote address, as the driver makes its first one, tunl0: a route through it names the far end
   * as its next hop. A link of that name that the namespace was made with is taken.
   */
  | { op: "ipip-add"; name: string }
  | { op: "wireguard-add"; name: string; mtu?: number }
  /** Keys are X25519's in base64; packets of the tunnel have the mark `fwmark`. */
  | { op: "wireguard-set"; dev: string; privateKey: string; port: number; fwmark?: number }
  /** One network (CIDR) that a peer may send from and is sent to; each adds to those before. */
  | { op: "wireguard-peer"; dev: string; publicKey: string; endpoint: string; port: number; allowed: string }
  /**
   * One direction of IPsec ESP in transport mode between two IPv4 addresses: an authenticated cipher in the kernel's words, such as
   * "rfc4106(gcm(aes))", its key with salt in base64, a tag of 16 bytes, extended sequence numbers.
   */
  | { op: "esp-state-add"; source: string; destination: string; spi: number; algorithm: string; key: string }
  /** UDP from one to the other leaves by that state where it has the mark. */
  | { op: "esp-policy-add"; source: string; destination: string; spi: number; mark: number }
  /** An IPv6 address is usable at once, without duplicate address detection. */
  | {
      op: "address-add";
      dev: string;
      address: string;
      prefixLength: number;
      noPrefixRoute?: boolean;
      scope?: "global" | "link" | "host";
    }
  | {
      op: "route-add" | "route-replace" | "route-delete";
      /** CIDR, or "default". */
      to: string;
      via?: string;
      dev?: string;
      src?: string;
      scope?: "global" | "link" | "host";
      /** rtnetlink protocol: kernel 2, boot 3, static 4, bird 12, calico's 80. */
      protocol?: number;
      type?: "unicast" | "blackhole" | "unreachable";
      onlink?: boolean;
      mtu?: number;
      /** Number of the routing table, below 256; default main. */
      table?: number;
    }
  /** Packets without the mark are looked up in that table (ip-rule(8): `not fwmark`); IPv4 alone. */
  | { op: "rule-add"; priority: number; notMark: number; table: number }
  /** Added ones are permanent; any is deleted, also a learnt one, whatever its `lladdr`. */
  | { op: "neigh-add" | "neigh-delete"; dev: string; address: string; lladdr: string }
  /** Forwarding entry of a VXLAN device: frames to `lladdr` go to the tunnel end `dst`. */
  | { op: "fdb-add" | "fdb-delete"; dev: string; lladdr: string; dst: string }
  /** What the link sends is queued: at `bitsPerSecond` (TBF), or `delayMs` later (netem). One a link; throws NetlinkError EEXIST. */
  | { op: "queue-add"; dev: string; queue: { bitsPerSecond: number } | { delayMs: number } }
  | { op: "queue-delete"; dev: string }
  /** A file below /proc/sys/net, its name with slashes ("ipv4/ip_forward"). */
  | { op: "sysctl"; key: string; value: string };
