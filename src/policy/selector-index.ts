import { matchesSelector, type Labels } from "../kube/selectors.ts";
import type { LabelSelector } from "../kube/types.ts";

/**
 * Many label selectors, asked together: which of them match these labels? Only those are looked at that ask for a label
 * which is there, and those that ask for none. Equal selectors are kept once.
 */
export class SelectorIndex {
  /** Every label key that some selector mentions; no other key of an object can matter. */
  readonly keys = new Set<string>();
  readonly #selectors: LabelSelector[] = [];
  readonly #ids = new Map<string, number>();
  readonly #byLabel = new Map<string, number[]>();
  readonly #unkeyed: number[] = [];

  /** The selector's number, the same for equal selectors. */
  add(selector: LabelSelector): number {
    const key = canonicalText(selector);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#selectors.push(selector) - 1;
    this.#ids.set(key, id);
    for (const each of Object.keys(selector.matchLabels ?? {})) this.keys.add(each);
    for (const { key: each } of selector.matchExpressions ?? []) this.keys.add(each);
    const demanded = demandedLabels(selector);
    if (demanded === undefined) this.#unkeyed.push(id);
    for (const label of demanded ?? []) {
      const ids = this.#byLabel.get(label);
      if (ids === undefined) this.#byLabel.set(label, [id]);
      else ids.push(id);
    }
    return id;
  }

  /** Numbers of the selectors that match, none twice, in no order. */
  matching(labels: Labels): number[] {
    const found: number[] = [];
    const tryAll = (ids: readonly number[]): void => {
      for (const id of ids) if (matchesSelector(this.#selectors[id], labels)) found.push(id);
    };
    tryAll(this.#unkeyed);
    for (const [key, value] of Object.entries(labels)) tryAll(this.#byLabel.get(labelText(key, value)) ?? []);
    return found;
  }
}

/** Labels of which every match has exactly one; undefined where there is no such list. */
function demandedLabels({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string[] | undefined {
  const [first] = Object.entries(matchLabels);
  if (first !== undefined) return [labelText(...first)];
  const listed = matchExpressions.find(({ operator }) => operator === "In");
  return listed === undefined
    ? undefined
    : [...new Set(listed.values ?? [])].map((value) => labelText(listed.key, value));
}

function labelText(key: string, value: string): string {
  return `${key}=${value}`;
}

function canonicalText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const expressions = matchExpressions.map(({ key, operator, values }) =>
    JSON.stringify([key, operator, [...(values ?? [])].toSorted()]),
  );
  const labels = Object.entries(matchLabels).map(([key, value]) => labelText(key, value));
  return JSON.stringify([labels.toSorted(), expressions.toSorted()]);
}
