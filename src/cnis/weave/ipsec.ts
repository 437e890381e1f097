import { createHash } from "node:crypto";
import type { NetOp } from "../../kernel/net-ops.ts";
import type { CniNode } from "../types.ts";

/* Encryption of the fast data path, as Weave's net/ipsec sets it up. */

/** UDP port of the fast data path's VXLAN. */
export const FASTDP_PORT = 6784;

/** Weave's mark on what has to leave encrypted, and on what came in so. */
const MARK = 0x20000;
const ALGORITHM = "rfc4106(gcm(aes))";
/** AES-256's 32 bytes, then 4 of salt. */
const KEY_BYTES = 36;
/** Numbers below it are reserved (RFC 4303, section 2.1). */
const LEAST_SPI = 0x100;

export function isEncrypted(options: Record<string, unknown>): boolean {
  return options["encrypted"] === true;
}

/**
 * A state a direction, and a policy for what leaves. Real peers draw a key for each connection from the password and tell each other
 * its number; here both follow from the nodes' names, the same for every look at a node: nothing of it leaves the lab.
 */
export function ipsecOps(node: CniNode, others: readonly CniNode[]): NetOp[] {
  return others.flatMap((other): NetOp[] => {
    const [out, back] = [direction(node, other), direction(other, node)];
    const { source, destination, spi } = out;
    return [
      { op: "esp-state-add", ...back },
      { op: "esp-state-add", ...out },
      { op: "esp-policy-add", source, destination, spi, mark: MARK },
    ];
  });
}

function direction(from: CniNode, to: CniNode): Omit<Extract<NetOp, { op: "esp-state-add" }>, "op"> {
  const secret = createHash("sha512").update(`cnilab weave ${from.name} ${to.name}`).digest();
  return {
    source: from.address,
    destination: to.address,
    spi: Math.max(LEAST_SPI, secret.readUInt32BE(KEY_BYTES)),
    algorithm: ALGORITHM,
    key: secret.subarray(0, KEY_BYTES).toString("base64"),
  };
}

/**
 * Weave's chains WEAVE-IPSEC-IN and -OUT: what goes into the tunnel is marked, which the policy asks for, and is dropped where no
 * state takes it; what comes out of it must have come by ESP.
 */
export function ipsecNft(): string {
  const marked = `meta mark & 0x${MARK.toString(16)} == 0x${MARK.toString(16)}`;
  const mark = `meta mark set meta mark | 0x${MARK.toString(16)}`;
  return `table ip weave-ipsec
delete table ip weave-ipsec
table ip weave-ipsec {
  comment "encryption of Weave's fast data path, modelled by cnilab"
  chain INPUT-mangle {
    type filter hook input priority mangle; policy accept;
    ip protocol esp ${mark}
  }
  chain INPUT {
    type filter hook input priority filter; policy accept;
    udp dport ${FASTDP_PORT} meta mark & 0x${MARK.toString(16)} != 0x${MARK.toString(16)} counter drop
  }
  chain OUTPUT-mangle {
    type route hook output priority mangle; policy accept;
    udp dport ${FASTDP_PORT} ${mark}
  }
  chain OUTPUT {
    type filter hook output priority filter; policy accept;
    ip protocol != esp ${marked} rt ipsec missing counter drop
  }
}
`;
}
