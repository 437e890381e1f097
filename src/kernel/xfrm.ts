import { NetlinkMessage } from "./netlink-message.ts";
import { NetlinkSocket, type NetlinkRequest } from "./netlink-socket.ts";
import type { NetOp } from "./net-ops.ts";
import { addressBytes } from "./sockets.ts";

/*
 * IPsec's states and policies (ip-xfrm(8)); numbers and layouts from linux/xfrm.h. IPv4 alone.
 */
const NETLINK_XFRM = 6;
const XFRM_MSG_NEWSA = 0x10;
const XFRM_MSG_NEWPOLICY = 0x13;
const NLM_F_REQUEST = 1;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const XFRMA = { template: 5, aead: 18, mark: 21, replay: 23 } as const;
const AF_INET = 2;
const IPPROTO_ESP = 50;
const IPPROTO_UDP = 17;
const XFRM_MODE_TRANSPORT = 0;
const XFRM_POLICY_OUT = 1;
const XFRM_STATE_ESN = 128;
/** Bytes of struct xfrm_usersa_info, xfrm_userpolicy_info, xfrm_user_tmpl, xfrm_selector, and of the name in xfrm_algo_aead. */
const BYTES = { state: 224, policy: 168, template: 64, selector: 56, algorithm: 64 } as const;
const ICV_BITS = 128;
/** Sequence numbers that may come late. */
const REPLAY_WINDOW = 256;
const INFINITE = 0xffff_ffff_ffff_ffffn;
const ALL_ALGORITHMS = 0xffff_ffff;

/** Operations that {@link configureXfrm} carries out. */
export type XfrmOp = Extract<NetOp, { op: "esp-state-add" | "esp-policy-add" }>;

/** Whether rtnetlink knows nothing of an operation, because it is one of these. */
export function isXfrmOp(op: NetOp): op is XfrmOp {
  return op.op === "esp-state-add" || op.op === "esp-policy-add";
}

/** Carries the operations out in the calling thread's namespace. Throws NetlinkError. */
export function configureXfrm(ops: readonly XfrmOp[]): void {
  const socket = new NetlinkSocket(NETLINK_XFRM);
  try {
    socket.request(ops.map(requestFor));
  } finally {
    socket.close();
  }
}

function requestFor(op: XfrmOp): NetlinkRequest {
  const create = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
  if (op.op === "esp-state-add") {
    const message = new NetlinkMessage(XFRM_MSG_NEWSA, create)
      .bytes(state(op))
      .attribute(XFRMA.aead, aead(op.algorithm, Buffer.from(op.key, "base64")))
      .attribute(XFRMA.replay, replay());
    // A key stays out of what is printed.
    return { message, describe: () => JSON.stringify({ ...op, key: "…" }) };
  }
  const mark = Buffer.alloc(8);
  mark.writeUInt32LE(op.mark, 0);
  mark.writeUInt32LE(op.mark, 4);
  const message = new NetlinkMessage(XFRM_MSG_NEWPOLICY, create)
    .bytes(policy(op))
    .attribute(XFRMA.template, template(op))
    .attribute(XFRMA.mark, mark);
  return { message, describe: () => JSON.stringify(op) };
}

/** From `at`: four times no limit, then no time. */
function withoutLimits(bytes: Buffer, at: number): void {
  for (let limit = 0; limit < 4; limit += 1) bytes.writeBigUInt64LE(INFINITE, at + limit * 8);
}

/** struct xfrm_id: whom, under which number, by ESP. */
function writeId(bytes: Buffer, at: number, { destination, spi }: XfrmOp): void {
  addressBytes(destination).copy(bytes, at);
  bytes.writeUInt32BE(spi, at + 16);
  bytes.writeUInt8(IPPROTO_ESP, at + 20);
}

function state(op: XfrmOp): Buffer {
  const bytes = Buffer.alloc(BYTES.state);
  bytes.writeUInt16LE(AF_INET, 40);
  writeId(bytes, BYTES.selector, op);
  addressBytes(op.source).copy(bytes, 80);
  withoutLimits(bytes, 96);
  bytes.writeUInt16LE(AF_INET, 212);
  bytes.writeUInt8(XFRM_MODE_TRANSPORT, 214);
  bytes.writeUInt8(XFRM_STATE_ESN, 216);
  return bytes;
}

/** What the policy is about: UDP between the two, of any port. */
function policy({ source, destination }: XfrmOp): Buffer {
  const bytes = Buffer.alloc(BYTES.policy);
  addressBytes(destination).copy(bytes, 0);
  addressBytes(source).copy(bytes, 16);
  bytes.writeUInt16LE(AF_INET, 40);
  bytes.writeUInt8(32, 42);
  bytes.writeUInt8(32, 43);
  bytes.writeUInt8(IPPROTO_UDP, 44);
  withoutLimits(bytes, BYTES.selector);
  bytes.writeUInt8(XFRM_POLICY_OUT, 160);
  return bytes;
}

function template(op: XfrmOp): Buffer {
  const bytes = Buffer.alloc(BYTES.template);
  writeId(bytes, 0, op);
  bytes.writeUInt16LE(AF_INET, 24);
  addressBytes(op.source).copy(bytes, 28);
  bytes.writeUInt8(XFRM_MODE_TRANSPORT, 48);
  for (const at of [52, 56, 60]) bytes.writeUInt32LE(ALL_ALGORITHMS, at);
  return bytes;
}

function aead(name: string, key: Buffer): Buffer {
  const bytes = Buffer.alloc(BYTES.algorithm + 8);
  bytes.write(name, 0, "latin1");
  bytes.writeUInt32LE(key.length * 8, BYTES.algorithm);
  bytes.writeUInt32LE(ICV_BITS, BYTES.algorithm + 4);
  return Buffer.concat([bytes, key]);
}

/** struct xfrm_replay_state_esn: nothing was seen yet. */
function replay(): Buffer {
  const bytes = Buffer.alloc(24 + REPLAY_WINDOW / 8);
  bytes.writeUInt32LE(REPLAY_WINDOW / 32, 0);
  bytes.writeUInt32LE(REPLAY_WINDOW, 20);
  return bytes;
}
