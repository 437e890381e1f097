import type { NftFamily } from "./nft-keys.ts";

/** A chain, set or map of a table, as nft(8) writes it. */
export interface NftPart {
  family: NftFamily;
  table: string;
  kind: "chain" | "set" | "map";
  name: string;
  /** A chain's hook, where it has one, and its rules; a set's properties. */
  lines: readonly string[];
  /** Of a set or map. */
  elements: readonly string[];
  /** All of it: parts with the same text are the same. */
  text: string;
}

/** A table by its parts. Groups are what their maker keeps together: one that is the same object has not changed. */
export interface NftTable {
  family: NftFamily;
  name: string;
  comment?: string;
  groups: readonly (readonly NftPart[])[];
}

/** Names of parts are unique in a table: kind and name. */
export function partKey({ kind, name }: NftPart): string {
  return `${kind} ${name}`;
}

/** Base chains stay in the kernel: taking one from its hook waits for a grace period of RCU, 20 ms and more. */
export function isBaseChain({ kind, lines }: NftPart): boolean {
  return kind === "chain" && / hook /.test(lines[0] ?? "");
}

const HEAD = /^(chain|set|map) (\S+) \{$/;
const ELEMENTS = /^elements = \{ (.*) \}$/;

/** The parts that lines of nft(8)'s syntax at the first level of a table declare. Throws where there is anything else. */
export function partsOf(family: NftFamily, table: string, lines: readonly string[]): NftPart[] {
  const parts: NftPart[] = [];
  for (let at = 0; at < lines.length; at++) {
    const head = lines[at] ?? "";
    const [, kind, name] = HEAD.exec(head) ?? [];
    if (kind === undefined || name === undefined) throw new Error(`not a part of a table: ${head}`);
    const body: string[] = [];
    for (at += 1; lines[at] !== "}"; at++) {
      const line = lines[at];
      if (line === undefined) throw new Error(`the part ${name} of the table ${table} has no end`);
      body.push(line.trim());
    }
    const elements = kind === "chain" ? undefined : ELEMENTS.exec(body.at(-1) ?? "")?.[1];
    parts.push({
      family,
      table,
      kind: kind as NftPart["kind"],
      name,
      lines: elements === undefined ? body : body.slice(0, -1),
      elements: elements?.split(", ") ?? [],
      text: [head, ...body.map((line) => `  ${line}`), "}"].join("\n"),
    });
  }
  return parts;
}

const TABLE_BLOCK = /^table (ip|ip6|inet) (\S+) \{\n([\s\S]*?)\n\}$/gm;

/** The tables that a text of `replaceTable`s declares: its blocks are indented by two. Throws where there is anything else. */
export function tablesOf(text: string): NftTable[] {
  const commands = text.replaceAll(TABLE_BLOCK, "").split("\n");
  const other = commands.find((line) => line !== "" && !/^(delete )?table \S+ \S+$/.test(line));
  if (other !== undefined) throw new Error(`not a table: ${other}`);
  return [...text.matchAll(TABLE_BLOCK)].map(([, family = "", name = "", body = ""]) => {
    const lines = body.split("\n").map((line) => line.replace(/^ {2}/, ""));
    const hasComment = lines[0]?.startsWith("comment ") === true;
    return {
      family: family as NftFamily,
      name,
      ...(hasComment ? { comment: lines[0] } : {}),
      groups: [partsOf(family as NftFamily, name, hasComment ? lines.slice(1) : lines)],
    };
  });
}

/** One transaction of nft(8)'s syntax that replaces the table as a whole, whether it was there or not. */
export function tableText({ family, name, comment, groups }: NftTable): string {
  const head = `table ${family} ${name}`;
  const parts = groups.flatMap((group) => group.map(({ text }) => text.replaceAll(/^/gm, "  ")));
  return [
    head,
    `delete ${head}`,
    `${head} {`,
    ...(comment === undefined ? [] : [`  ${comment}`]),
    ...parts,
    "}\n",
  ].join("\n");
}
