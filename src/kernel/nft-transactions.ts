import type { NftUpdate } from "./nft-update.ts";

/** Messages of one transaction, without those that begin and end the batch. The last asks for an acknowledgement. */
export interface NftTransaction {
  body: Buffer;
  /** Sequence number of the last message, by which its acknowledgement is known. */
  last: number;
}

/**
 * Where more than this is added, it comes in several transactions: for each set that stands in a rule the kernel goes through all
 * of the transaction's messages (nft_set_trans_bind), and 500 Services in one take it 55 ms, in several 30.
 */
const ADDED_BYTES = 512 << 10;
const NLM_F_ACK = 4;
const MESSAGE = { flags: 6, sequence: 8 } as const;

/** An update is the same object for all nodes that need it: put together once. */
const known = new WeakMap<NftUpdate, { mostBytes: number; transactions: readonly NftTransaction[] }>();

function* chunks(buffers: readonly Buffer[], mostBytes: number): Generator<Buffer[]> {
  let chunk: Buffer[] = [];
  let bytes = 0;
  for (const buffer of buffers) {
    if (bytes + buffer.length > mostBytes && chunk.length > 0) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(buffer);
    bytes += buffer.length;
  }
  yield chunk;
}

function size(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}

function transactionOf(messages: readonly Buffer[]): NftTransaction {
  const body = Buffer.concat(messages);
  let lastAt = body.length - (messages.at(-1)?.length ?? 0);
  for (const at of messagesIn(body, lastAt)) lastAt = at;
  body.writeUInt16LE(body.readUInt16LE(lastAt + MESSAGE.flags) | NLM_F_ACK, lastAt + MESSAGE.flags);
  return { body, last: body.readUInt32LE(lastAt + MESSAGE.sequence) };
}

/**
 * The update as transactions of at most `mostBytes`: what is much is added ahead in some of its own, which no packet meets before
 * the last. That one holds all that changes the way of packets, however large it is.
 */
export function transactionsOf(update: NftUpdate, mostBytes: number): readonly NftTransaction[] {
  const before = known.get(update);
  if (before?.mostBytes === mostBytes) return before.transactions;
  const groups = [...chunks(update.added, Math.min(mostBytes, ADDED_BYTES))];
  const rest = groups.pop() ?? [];
  if (size(rest) + size(update.changed) > mostBytes) groups.push(rest, update.changed);
  else groups.push([...rest, ...update.changed]);
  const transactions = groups.filter((group) => group.length > 0).map(transactionOf);
  known.set(update, { mostBytes, transactions });
  return transactions;
}

/** Where each message of a body begins, from `start` on. */
export function* messagesIn(body: Buffer, start = 0): Generator<number> {
  for (let at = start; at < body.length; at += (body.readUInt32LE(at) + 3) & ~3) yield at;
}
