import { LabError } from "../../../core/errors.ts";
import { updateTables } from "../../../engine/nft/update-table.ts";
import type { NetworkNamespace } from "../../../kernel/namespace.ts";
import { NftBatch } from "../../../kernel/nft-batch.ts";
import { tablesOf, tableText } from "../../../kernel/nft-parts.ts";
import type { NftTable } from "../../../kernel/nft-parts.ts";
import { encodeUpdate } from "../../../kernel/nft-update.ts";
import type { NftUpdate } from "../../../kernel/nft-update.ts";
import { Nftables } from "../../../kernel/nftables.ts";

function textOf(tables: readonly NftTable[]): string {
  return tables.map(tableText).join("");
}

/** The nftables of one node: what was loaded last, and the shortest way from there to what shall be. */
export class NodeRules {
  private readonly node: string;
  private readonly nft: Nftables;
  private readonly batch: NftBatch;
  /** By who writes them. */
  private readonly loaded = new Map<string, readonly NftTable[]>();
  /** The texts that tables were read from. */
  private readonly texts = new Map<string, string>();
  /** Whose tables somebody else may have changed. */
  private readonly doubtful = new Set<string>();

  constructor(node: string, namespace: NetworkNamespace) {
    this.node = node;
    this.nft = new Nftables(namespace);
    this.batch = new NftBatch(namespace);
  }

  /** {@link load} of tables as `replaceTable` writes them; a text that is the same is not looked at again. */
  loadText(owner: string, text: string): void {
    if ((this.texts.get(owner) ?? "") === text) return;
    this.load(owner, tablesOf(text));
    this.texts.set(owner, text);
  }

  /**
   * Brings the tables of `owner` in the kernel to these; when it returns, the next packet meets them. One transaction, of what differs
   * where that can be written, else of the whole tables. Throws KERNEL_NFT_REFUSED.
   */
  load(owner: string, tables: readonly NftTable[]): void {
    const previous = this.loaded.get(owner) ?? [];
    if (previous.length === 0 && tables.length === 0) return;
    const update = updateOf(previous, tables);
    if (update?.added.length === 0 && update.changed.length === 0) return;
    try {
      if (this.doubtful.has(owner)) this.replace(owner, tables);
      else if (update !== undefined) this.batch.apply(update);
      else this.loadWhole(updateTables(previous.length === 0 ? undefined : textOf(previous), textOf(tables)));
    } catch (error) {
      if (previous.length === 0 || !(error instanceof LabError)) throw error;
      // A node's rules are its learner's to break: what is to be changed may not be there, or not as it was. The whole table then,
      // as kube-proxy and Felix do; its text replaces whatever is in the kernel.
      process.stderr.write(`${this.node}: the tables of ${owner} are made anew: ${error.message}\n`);
      this.replace(owner, tables);
    }
    this.loaded.set(owner, tables);
  }

  close(): void {
    this.batch.close();
    this.nft.close();
  }

  private replace(owner: string, tables: readonly NftTable[]): void {
    this.loadWhole(textOf(tables));
    this.doubtful.delete(owner);
  }

  private loadWhole(text: string): void {
    // Of one foreign change nobody knows whose tables it was about.
    if (this.batch.isOvertaken()) for (const owner of this.loaded.keys()) this.doubtful.add(owner);
    this.nft.apply(text);
    this.batch.remember();
  }
}

/** Undefined where whole tables have to be loaded. */
function updateOf(previous: readonly NftTable[], tables: readonly NftTable[]): NftUpdate | undefined {
  const all: NftUpdate = { added: [], changed: [] };
  if (previous.length !== tables.length) return undefined;
  for (const [index, table] of tables.entries()) {
    const before = previous[index];
    if (before === undefined || before.family !== table.family || before.name !== table.name) return undefined;
    const update = encodeUpdate(before, table);
    if (update === undefined) return undefined;
    all.added.push(...update.added);
    all.changed.push(...update.changed);
  }
  return all;
}
