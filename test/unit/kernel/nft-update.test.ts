import { describe, expect, test } from "vitest";
import { attributesOf } from "../../../src/kernel/netlink-attributes.ts";
import { tablesOf, tableText } from "../../../src/kernel/nft-parts.ts";
import type { NftTable } from "../../../src/kernel/nft-parts.ts";
import { transactionsOf } from "../../../src/kernel/nft-transactions.ts";
import { encodeUpdate } from "../../../src/kernel/nft-update.ts";

function tableOf(...parts: string[]): NftTable {
  const lines = parts.flatMap((part) => part.split("\n")).map((line) => `  ${line}\n`);
  const [table] = tablesOf(`table ip t\ndelete table ip t\ntable ip t {\n  comment "c"\n${lines.join("")}}\n`);
  if (table === undefined) throw new Error("no table");
  return table;
}

function chain(name: string, ...rules: string[]): string {
  return [`chain ${name} {`, ...rules.map((rule) => `  ${rule}`), "}"].join("\n");
}

function neverMade(): never {
  throw new Error("not made");
}

const NLM_F_ACK = 4;
const NAMES: Readonly<Record<number, string>> = {
  3: "new chain",
  5: "delete chain",
  6: "new rule",
  8: "delete rules",
  9: "new set",
  11: "delete set",
  12: "new elements",
  14: "delete elements",
};

/** Each message by its type and the chain or set that it is about. */
function messages(before: NftTable, after: NftTable): string[] | undefined {
  const update = encodeUpdate(before, after);
  if (update === undefined) return undefined;
  const body = Buffer.concat([...update.added, ...update.changed]);
  const found: string[] = [];
  for (let at = 0; at < body.length; at += body.readUInt32LE(at)) {
    const type = body.readUInt16LE(at + 4) & 0xff;
    const attributes = [...attributesOf(body.subarray(at + 20, at + body.readUInt32LE(at)))];
    const name = attributes.find((each) => each.type === (type === 3 || type === 5 ? 3 : 2))?.value;
    found.push(
      `${NAMES[type]} ${name
        ?.subarray(0, -1)
        .toString()
        .replace(/\d{6,}$/, "N")}`,
    );
  }
  return found;
}

const base = chain("base", "type filter hook forward priority 0; policy accept;", "jump a");

describe("an update of a table", () => {
  test("is nothing where all parts are the same", () => {
    expect(messages(tableOf(base, chain("a", "drop")), tableOf(base, chain("a", "drop")))).toEqual([]);
  });

  test("makes chains before rules that lead to them, and takes chains away when nothing does any more", () => {
    const before = tableOf(base, chain("a", "goto b"), chain("b", "drop"));
    const after = tableOf(base, chain("a", "goto c"), chain("c", "accept"));
    expect(messages(before, after)).toEqual([
      "new chain c",
      "new rule c",
      "delete rules a",
      "delete rules b",
      "delete chain b",
      "new rule a",
    ]);
  });

  test("changes elements one at a time, and those of intervals all at once", () => {
    const map = (...elements: string[]): string =>
      `map m {\n  type ipv4_addr : verdict;\n  elements = { ${elements.join(", ")} }\n}`;
    const one = tableOf(map("10.0.0.1 : drop", "10.0.0.2 : drop"));
    const other = tableOf(map("10.0.0.1 : drop", "10.0.0.3 : drop"));
    expect(messages(one, other)).toEqual(["delete elements m", "new elements m"]);
    const intervals = (element: string): NftTable =>
      tableOf(`set s {\n  type ipv4_addr; flags interval;\n  elements = { ${element} }\n}`);
    expect(messages(intervals("10.0.0.0/8"), intervals("11.0.0.0/8"))).toEqual(["delete elements s", "new elements s"]);
  });

  test("gives a set that stands in a rule a name of its own, before the rule", () => {
    const after = tableOf(base, chain("a", "numgen random mod 2 vmap { 0 : drop, 1 : accept }"));
    expect(messages(tableOf(base, chain("a")), after)).toEqual(["new set __mapN", "new elements __mapN", "new rule a"]);
  });

  test("ends with a message that is acknowledged, also where the last part has nothing in it", () => {
    const set = (elements = ""): string => `set s {\n  type ipv4_addr; flags interval;\n${elements}}`;
    const changes: [before: NftTable, after: NftTable, messages: string[]][] = [
      [tableOf(base, chain("a", "drop")), tableOf(base, chain("a")), ["delete rules a"]],
      [tableOf(set("  elements = { 10.0.0.0/8 }\n")), tableOf(set()), ["delete elements s"]],
      [tableOf(base, chain("a")), tableOf(base, chain("a"), set()), ["new set s"]],
      [tableOf(base, chain("a")), tableOf(base, chain("a"), chain("b")), ["new chain b"]],
    ];
    for (const [before, after, expected] of changes) {
      expect(messages(before, after)).toEqual(expected);
      const update = encodeUpdate(before, after) ?? neverMade();
      const [{ body, last } = neverMade(), ...others] = transactionsOf(update, 1 << 20);
      expect(others).toEqual([]);
      expect({ flags: body.readUInt16LE(6) & NLM_F_ACK, sequence: body.readUInt32LE(8) }).toEqual({
        flags: NLM_F_ACK,
        sequence: last,
      });
    }
  });

  test("knows the names of ICMPv6 that pods' rules have", () => {
    const types =
      "nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report";
    const inet = (...rules: string[]): NftTable => {
      const [table] = tablesOf(`table inet t {\n  chain a {\n${rules.map((rule) => `    ${rule}\n`).join("")}  }\n}\n`);
      return table ?? neverMade();
    };
    const found = messages(inet(), inet(`icmpv6 type { ${types} } accept`));
    expect(found).toEqual(["new set __setN", "new elements __setN", "new rule a"]);
  });

  test("of equal groups is made once, for all nodes that have them", () => {
    const [first, second] = [tableOf(base, chain("a")), tableOf(base, chain("a", "drop"))];
    const own = tableOf("set s {\n  type ipv4_addr;\n  elements = { 10.0.0.1 }\n}").groups;
    const onNode = (table: NftTable): NftTable => ({ ...table, groups: [...own, ...table.groups] });
    const update = encodeUpdate(onNode(first), onNode(second));
    expect(update).toBe(encodeUpdate(first, second));
    expect(update).not.toBe(encodeUpdate(first, tableOf(base, chain("a", "accept"))));
    expect(transactionsOf(update ?? neverMade(), 1 << 20)).toBe(transactionsOf(update ?? neverMade(), 1 << 20));
  });

  test.each([
    ["a rule that it does not know", tableOf(base, chain("a", "limit rate 10/second accept"))],
    ["an address that is none", tableOf(base, chain("a", "ip saddr 10.0.0.256 accept"))],
    ["a name that could be another's word", tableOf(base, chain("a", "jump constructor toString"))],
    ["a field of the other family", tableOf(base, chain("a", "ip6 saddr fd00::1 accept"))],
    ["a list without an end", tableOf(base, chain("a", "tcp dport { 80, 81 accept"))],
    ["a base chain that comes", tableOf(base, chain("a"), base.replace("chain base", "chain other"))],
    ["a base chain that goes", tableOf(chain("a"))],
    ["a base chain that moves", tableOf(base.replace("priority 0", "priority 1"), chain("a"))],
    ["a set with another type", tableOf(base, chain("a"), "set s {\n  type inet_service;\n}")],
    [
      "a set with a flag that it does not know",
      tableOf(base, chain("a"), "set n {\n  type ipv4_addr; flags interval; auto-merge\n}"),
    ],
  ])("is not tried for %s", (_, after) => {
    const before = tableOf(base, chain("a"), "set s {\n  type ipv4_addr;\n}");
    expect(messages(before, after)).toBeUndefined();
    // What was begun is not in the next.
    expect(messages(tableOf(base, chain("a")), tableOf(base, chain("a", "drop")))).toEqual(["new rule a"]);
  });
});

test("a table's text is read into parts and written as it was", () => {
  const text = tableText(tableOf(base, chain("a"), "set s {\n  type ipv4_addr;\n  elements = { 10.0.0.1 }\n}"));
  expect(tablesOf(text).map(tableText).join("")).toBe(text);
});

test.each([
  ["add rule ip t a drop\n", /not a table: add rule/],
  ["table ip t {\n  counter c {\n  }\n}\n", /not a part of a table: counter c/],
  ["table ip t {\n  chain a {\n    drop\n}\n", /the part a of the table t has no end/],
])("a text with anything else is refused: %j", (text, message) => {
  expect(() => tablesOf(text)).toThrow(message);
});
