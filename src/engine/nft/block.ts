/** A named block of nft(8)'s syntax, its lines indented. */
export function block(head: string, lines: readonly string[]): string[] {
  return [`${head} {`, ...lines.map((line) => `  ${line}`), "}"];
}

/** One transaction that replaces a table as a whole, whether it was there or not. */
export function replaceTable(table: string, body: readonly string[]): string[] {
  return [`table ${table}`, `delete table ${table}`, ...block(`table ${table}`, body)];
}

/** The `elements` of a set or map; an empty list has no syntax. */
export function elements(list: readonly string[]): string[] {
  return list.length === 0 ? [] : [`elements = { ${list.join(", ")} }`];
}
