import { LabError } from "../core/errors.ts";
import { errnoName } from "./libc.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { attributesOf, attributeValue } from "./netlink-attributes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import { NETLINK_NETFILTER } from "./nft-set.ts";
import { NFT_MSG } from "./nft-declarations.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import { messagesIn, transactionsOf } from "./nft-transactions.ts";
import type { NftTransaction } from "./nft-transactions.ts";
import type { NftUpdate } from "./nft-update.ts";

/* linux/netfilter/nfnetlink.h */
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_BATCH_GENID = 1;
const NFTA_GEN_ID = 1;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const ERESTART = 85;
const BATCH_OVERHEAD = 128;
const SEND_BUFFER_BYTES = 16 << 20;
const MESSAGE = { length: 0, type: 4, sequence: 8 } as const;

/**
 * nf_tables of one namespace by messages of our own, where an update is known by its parts: libnftables reads all chains of the
 * namespace before each of its transactions, and parses every rule, 280 ms where the kernel needs 20 for 500 Services.
 */
export class NftBatch {
  private readonly socket: NetlinkSocket;
  private readonly name: string;
  private readonly mostBytes: number;
  /** What the kernel counts transactions by: another number than ours says that somebody else has changed rules. */
  private generation: number | undefined;
  /** It was another one. */
  private isLost = false;

  constructor(namespace: NetworkNamespace) {
    this.name = namespace.name;
    this.socket = namespace.enter(() => new NetlinkSocket(NETLINK_NETFILTER));
    this.mostBytes = this.socket.enlargeSendBuffer(SEND_BUFFER_BYTES) - BATCH_OVERHEAD;
  }

  /** Takes the rules as they are now for those that the next update builds on; after a load by other means. */
  remember(): void {
    this.generation = this.currentGeneration();
    this.isLost = false;
  }

  /** Whether somebody else has changed rules of the namespace since the last update, or since `remember`. */
  isOvertaken(): boolean {
    return this.isLost || (this.generation !== undefined && this.generation !== this.currentGeneration());
  }

  private currentGeneration(): number {
    const message = new NetlinkMessage((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG.getGeneration, NLM_F_REQUEST | NLM_F_ACK);
    const [answer] = this.socket.dump(message.bytes(Buffer.of(0, 0, 0, 0)));
    const value = answer === undefined ? undefined : attributeValue(answer.payload.subarray(4), NFTA_GEN_ID);
    if (value === undefined) throw new Error("the kernel tells no generation of its rules");
    return value.readUInt32BE(0);
  }

  /**
   * One transaction, all of it or nothing, or several where much is added ahead (see {@link transactionsOf}). The kernel works on other
   * threads, so that nodes need not wait for each other; one namespace's next call must wait until this one has ended. Throws
   * KERNEL_NFT_REFUSED, and KERNEL_NFT_CHANGED where somebody else has changed rules of the namespace since `remember`; after either
   * the kernel may have chains that nothing leads to.
   */
  async apply(update: NftUpdate): Promise<void> {
    for (const transaction of transactionsOf(update, this.mostBytes)) await this.send(transaction);
  }

  private async send({ body, last }: NftTransaction): Promise<void> {
    if (this.generation === undefined) throw new Error("an update of rules that were never loaded");
    const generation = Buffer.alloc(4);
    generation.writeUInt32BE(this.generation);
    // struct nfgenmsg's resource is the subsystem, in network byte order.
    const head = Buffer.of(0, 0, 0, NFNL_SUBSYS_NFTABLES);
    const begin = new NetlinkMessage(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST)
      .bytes(head)
      .attribute(NFNL_BATCH_GENID, generation);
    const end = new NetlinkMessage(NFNL_MSG_BATCH_END, NLM_F_REQUEST).bytes(head);
    const { errno, sequence, words } = await this.socket.transaction(begin, body, last, end);
    if (errno === 0) {
      // Zero is left out (nf_tables_commit, base_seq).
      this.generation = this.generation === 0xffff_ffff ? 1 : this.generation + 1;
      return;
    }
    if (errno === ERESTART) {
      this.isLost = true;
      throw new LabError("KERNEL_NFT_CHANGED", `somebody else has changed nftables rules of ${this.name}`);
    }
    throw new LabError(
      "KERNEL_NFT_REFUSED",
      `the kernel of ${this.name} refused an nftables transaction: ${errnoName(errno)}${words === undefined ? "" : `: ${words}`}${messageOf(body, sequence)}`,
    );
  }

  close(): void {
    this.socket.close();
  }
}

/** What the refused message was about: its type's name, and the names that it has first. */
function messageOf(body: Buffer, sequence: number): string {
  for (const at of messagesIn(body)) {
    if (body.readUInt32LE(at + MESSAGE.sequence) !== sequence) continue;
    const number = body.readUInt16LE(at + MESSAGE.type) & 0xff;
    const type = Object.entries(NFT_MSG).find(([, each]) => each === number)?.[0] ?? number;
    const payload = body.subarray(at + 20, at + body.readUInt32LE(at + MESSAGE.length));
    const names = [...attributesOf(payload)].filter(({ type: each }) => each <= 3).map(({ value }) => nameIn(value));
    return ` (${type} ${names.filter((name) => name !== "").join(" ")})`;
  }
  return "";
}

function nameIn(value: Buffer): string {
  return /^([A-Za-z0-9._/-]+)\0$/.exec(value.toString("latin1"))?.[1] ?? "";
}
