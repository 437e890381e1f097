import { expect, it } from "vitest";
import { parseCidr } from "../../../src/core/ip.ts";
import { BlockIndex } from "../../../src/policy/block-index.ts";

type Blocks = ConstructorParameters<typeof BlockIndex>[0];

const cidr = (text: string) => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`no CIDR: ${text}`);
  return parsed;
};
const blocks = (...texts: [block: string, ...except: string[]][]): Blocks =>
  texts.map(([block, ...except], id) => [id, { kind: "block", block: cidr(block), except: except.map(cidr) }]);

const index = new BlockIndex(
  blocks(
    ["10.0.0.0/24"],
    ["10.0.0.0/16", "10.0.0.64/26", "10.0.9.0/24"],
    ["10.0.0.128/32"],
    ["0.0.0.0/0"],
    ["fd00::/64"],
    ["200.0.0.0/5"],
  ),
  4,
);

it.each([
  ["10.0.0.0", [0, 1, 3]],
  ["10.0.0.63", [0, 1, 3]],
  ["10.0.0.64", [0, 3]],
  ["10.0.0.127", [0, 3]],
  ["10.0.0.128", [0, 1, 2, 3]],
  ["10.0.0.129", [0, 1, 3]],
  ["10.0.0.255", [0, 1, 3]],
  ["10.0.1.0", [1, 3]],
  ["10.0.9.255", [3]],
  ["10.0.10.0", [1, 3]],
  ["10.1.0.0", [3]],
  ["9.255.255.255", [3]],
  ["255.255.255.255", [3]],
  ["200.0.0.0", [3, 5]],
  ["207.255.255.255", [3, 5]],
  ["208.0.0.0", [3]],
])("%s is held by the blocks that it lies in, up to both ends", (address, held) => {
  expect(index.holding([address])).toEqual(held);
  // A second address of the same stretch has what was worked out for the first.
  expect(index.holding([address])).toEqual(held);
});

it("asks for the address of its own family, the first of them, and for none that is not one", () => {
  expect(index.holding(["fd00::1", "10.0.0.1", "10.0.0.64"])).toEqual([0, 1, 3]);
  expect(index.holding(["fd00::1"])).toEqual([]);
  expect(index.holding(["web.example"])).toEqual([]);
  expect(index.holding([])).toEqual([]);
  expect(new BlockIndex(blocks(["fd00::/64"], ["10.0.0.0/8"]), 6).holding(["10.0.0.1", "fd00::1"])).toEqual([0]);
  expect(new BlockIndex(blocks(["fd00::/64"]), 4).holding(["10.0.0.1"])).toEqual([]);
});
