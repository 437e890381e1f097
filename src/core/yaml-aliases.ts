import { isAlias, isMap, isNode, isPair, isSeq, type Alias, type Document, type Node } from "yaml";
import type { AliasTargets } from "./yaml-document.ts";

/** What a node is once its aliases are replaced by what they stand for. */
interface Extent {
  values: number;
  depth: number;
}

/** The alias that makes a document too much, and in which way. */
export interface Excess {
  alias: Alias;
  is: "values" | "depth";
}

/**
 * The first alias by which a document repeats more values than `maxValues` or is deeper than `maxDepth`; undefined where
 * there is none. Few aliases of something big cost as much as many, and a chain of aliases nests without any bracket.
 * Aliases must come behind their targets and be no part of them.
 */
export function findExcess(
  document: Document,
  targets: AliasTargets,
  { maxValues, maxDepth }: { maxValues: number; maxDepth: number },
): Excess | undefined {
  if (targets.size === 0) return undefined;
  const wanted = new Set(targets.values());
  const known = new Map<Node, Extent>();
  let repeated = 0;
  let excess: Excess | undefined;

  const measure = (node: unknown, level: number): Extent => {
    if (excess !== undefined || !isNode(node)) return { values: 1, depth: 0 };
    if (isAlias(node)) {
      const extent = known.get(targets.get(node) as Node) ?? { values: 1, depth: 0 };
      repeated += extent.values;
      if (repeated > maxValues) excess = { alias: node, is: "values" };
      else if (level + extent.depth > maxDepth) excess = { alias: node, is: "depth" };
      return extent;
    }
    const items: readonly unknown[] = isMap(node) || isSeq(node) ? node.items : [];
    const extent: Extent = { values: 1, depth: isMap(node) || isSeq(node) ? 1 : 0 };
    for (const item of items) {
      for (const part of isPair(item) ? [item.key, item.value] : [item]) {
        const { values, depth } = measure(part, level + 1);
        extent.values += values;
        extent.depth = Math.max(extent.depth, depth + 1);
      }
    }
    if (wanted.has(node)) known.set(node, extent);
    return extent;
  };
  measure(document.contents, 0);
  return excess;
}
