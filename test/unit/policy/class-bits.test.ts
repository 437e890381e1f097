import { expect, it } from "vitest";
import { andInto, clearFrom, forEachBit, hasBit, orInto, setBit } from "../../../src/policy/class-bits.ts";

/** Around the ends of words, where a sign or a shift would go wrong. */
const EDGES = [0, 1, 30, 31, 32, 33, 63, 64, 95];

function bitsOf(...places: number[]): Uint32Array {
  const bits = new Uint32Array(3);
  for (const place of places) setBit(bits, place);
  return bits;
}

function placesOf(bits: Uint32Array): number[] {
  const places: number[] = [];
  forEachBit(bits, (at) => places.push(at));
  return places;
}

it("bits that are set are found, ascending, and no others", () => {
  expect(placesOf(bitsOf(...EDGES.toReversed()))).toEqual(EDGES);
  expect(placesOf(bitsOf())).toEqual([]);
  for (const edge of EDGES) {
    expect(placesOf(bitsOf(edge))).toEqual([edge]);
    expect(EDGES.filter((at) => hasBit(bitsOf(edge), at))).toEqual([edge]);
  }
});

it("a bit that is set again stays set", () => {
  expect(placesOf(bitsOf(5, 5, 31, 31))).toEqual([5, 31]);
});

it("rows are added to, within a mask where there is one, and nothing is added where there are no bits", () => {
  const row = bitsOf(1, 40);
  orInto(row, undefined);
  expect(placesOf(row)).toEqual([1, 40]);
  orInto(row, bitsOf(2, 31, 70), bitsOf(2, 70, 71));
  expect(placesOf(row)).toEqual([1, 2, 40, 70]);
  orInto(row, bitsOf(95));
  expect(placesOf(row)).toEqual([1, 2, 40, 70, 95]);
});

it("rows are cut down to a mask, and cleared of bits, in every word", () => {
  const row = bitsOf(...EDGES);
  andInto(row, bitsOf(0, 2, 31, 32, 64, 95));
  expect(placesOf(row)).toEqual([0, 31, 32, 64, 95]);
  clearFrom(row, bitsOf(1, 31, 64));
  expect(placesOf(row)).toEqual([0, 32, 95]);
});
