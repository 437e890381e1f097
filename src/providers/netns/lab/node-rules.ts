import { LabError } from "../../../core/errors.ts";
import { updateTables } from "../../../engine/nft/update-table.ts";
import type { NetworkNamespace } from "../../../kernel/namespace.ts";
import { NftBatch } from "../../../kernel/nft-batch.ts";
import { tablesOf, tableText } from "../../../kernel/nft-parts.ts";
import type { NftTable } from "../../../kernel/nft-parts.ts";
import { encodeUpdates } from "../../../kernel/nft-update.ts";
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
  /** Ends with the last call. */
  private turn = Promise.resolve();
  private waiting = 0;

  constructor(node: string, namespace: NetworkNamespace) {
    this.node = node;
    this.nft = new Nftables(namespace);
    this.batch = new NftBatch(namespace);
  }

  /** {@link load} of tables as `replaceTable` writes them; a text that is the same is not looked at again. */
  loadText(owner: string, text: string): Promise<void> {
    return this.inTurn(async () => {
      if ((this.texts.get(owner) ?? "") === text) return;
      await this.bring(owner, tablesOf(text));
      this.texts.set(owner, text);
    });
  }

  /**
   * Brings the tables of `owner` in the kernel to these; when it resolves, the next packet meets them. One transaction, of what differs
   * where that can be written, else of the whole tables. Calls are carried out one after the other. Throws KERNEL_NFT_REFUSED.
   */
  load(owner: string, tables: readonly NftTable[]): Promise<void> {
    return this.inTurn(() => this.bring(owner, tables));
  }

  /** Resolves when what was called before has ended, whatever became of it. */
  async idle(): Promise<void> {
    await this.turn;
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    // What nothing is before begins in this call.
    const done = this.waiting === 0 ? work() : this.turn.then(work);
    this.waiting += 1;
    const end = (): void => {
      this.waiting -= 1;
    };
    // A failure is its caller's, not the next one's.
    this.turn = done.then(end, end);
    return done;
  }

  private async bring(owner: string, tables: readonly NftTable[]): Promise<void> {
    const previous = this.loaded.get(owner) ?? [];
    if (previous.length === 0 && tables.length === 0) return;
    const update = encodeUpdates(previous, tables);
    if (update?.added.length === 0 && update.changed.length === 0) return;
    try {
      if (this.doubtful.has(owner)) this.replace(owner, tables);
      else if (update !== undefined) await this.batch.apply(update);
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
