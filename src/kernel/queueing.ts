import { NetlinkMessage } from "./netlink-message.ts";

/* linux/rtnetlink.h, linux/pkt_sched.h */
const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const NLM_F_REQUEST = 1;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const TC_H_ROOT = 0xffff_ffff;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_TBF_PARMS = 1;
const TCA_TBF_BURST = 6;
const TC_LINKLAYER_ETHERNET = 1;
const TCA_NETEM_LATENCY64 = 10;

/** A bucket for less than the largest frame would let none through. */
const LEAST_BURST_BYTES = 10_000;
/** What a bucket lets through at once: a timer of a slow kernel (HZ=100) fires as often. */
const BURST_SECONDS = 0.01;
/** What waits longer is dropped. */
const QUEUE_SECONDS = 0.05;
/** As many as netem(8) has where nobody says. */
const DELAYED_PACKETS = 1000;

function tcmsg(index: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(TC_H_ROOT, 12);
  return bytes;
}

/** tbf(8): struct tc_tbf_qopt; the burst goes in bytes beside it, so that no rate table is needed. */
function tbf(message: NetlinkMessage, bitsPerSecond: number): void {
  const bytesPerSecond = Math.round(bitsPerSecond / 8);
  const burst = Math.max(LEAST_BURST_BYTES, Math.round(bytesPerSecond * BURST_SECONDS));
  const parameters = Buffer.alloc(36);
  parameters.writeUInt8(TC_LINKLAYER_ETHERNET, 1);
  parameters.writeUInt32LE(bytesPerSecond, 8);
  parameters.writeUInt32LE(burst + Math.round(bytesPerSecond * QUEUE_SECONDS), 24);
  message.attribute(TCA_TBF_PARMS, parameters).u32(TCA_TBF_BURST, burst);
}

/** netem(8): struct tc_netem_qopt, with the delay in nanoseconds beside it. */
function netem(message: NetlinkMessage, delayMs: number): void {
  const parameters = Buffer.alloc(24);
  parameters.writeUInt32LE(DELAYED_PACKETS, 4);
  const nanoseconds = Buffer.alloc(8);
  nanoseconds.writeBigInt64LE(BigInt(Math.round(delayMs * 1e6)));
  message.bytes(parameters).attribute(TCA_NETEM_LATENCY64, nanoseconds);
}

/** Puts a queueing discipline at a link's root; the kernel refuses (EEXIST) where one was put already, ENOENT where it has none such. */
export function queueAdd(index: number, queue: { bitsPerSecond: number } | { delayMs: number }): NetlinkMessage {
  const message = new NetlinkMessage(RTM_NEWQDISC, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL).bytes(tcmsg(index));
  message.text(TCA_KIND, "bitsPerSecond" in queue ? "tbf" : "netem");
  return message.nested(TCA_OPTIONS, () => {
    if ("bitsPerSecond" in queue) tbf(message, queue.bitsPerSecond);
    else netem(message, queue.delayMs);
  });
}

export function queueDelete(index: number): NetlinkMessage {
  return new NetlinkMessage(RTM_DELQDISC, NLM_F_REQUEST).bytes(tcmsg(index));
}
