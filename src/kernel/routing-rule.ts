import { NetlinkMessage } from "./netlink-message.ts";
import type { NetOp } from "./net-ops.ts";

/* linux/fib_rules.h, linux/rtnetlink.h */
const RTM_NEWRULE = 32;
const NLM_F_REQUEST = 1;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const AF_INET = 2;
const FR_ACT_TO_TBL = 1;
const FIB_RULE_INVERT = 2;
const FRA = { priority: 6, mark: 10, table: 15, markMask: 16 } as const;

/** ip-rule(8): `not fwmark MARK/MARK lookup TABLE`, of IPv4. */
export function ruleAdd({ priority, notMark, table }: Extract<NetOp, { op: "rule-add" }>): NetlinkMessage {
  const header = Buffer.alloc(12);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(table, 4);
  header.writeUInt8(FR_ACT_TO_TBL, 7);
  header.writeUInt32LE(FIB_RULE_INVERT, 8);
  return new NetlinkMessage(RTM_NEWRULE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL)
    .bytes(header)
    .u32(FRA.priority, priority)
    .u32(FRA.mark, notMark)
    .u32(FRA.markMask, notMark)
    .u32(FRA.table, table);
}
