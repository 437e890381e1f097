import { expect, test } from "vitest";
import { changedHeaders, endToEnd, withHeader } from "../../../../src/engine/sidecar/http-exchange.ts";

test("headers of one connection are not handed on", () => {
  const headers = ["Host", "web", "Connection", "close", "Transfer-Encoding", "chunked", "X-A", "1", "X-A", "2"];
  expect(endToEnd(headers)).toEqual(["Host", "web", "X-A", "1", "X-A", "2"]);
});

test("one value replaces all of the name, whatever its case", () => {
  expect(withHeader(["x-a", "1", "X-A", "2", "b", "3"], "X-a", "4")).toEqual(["b", "3", "X-a", "4"]);
});

test("headers are removed, set and added", () => {
  const changes = { remove: ["X-Gone"], set: { "x-set": "new" }, add: { "x-more": "2" } };
  expect(changedHeaders(["x-gone", "1", "X-Set", "old", "x-more", "1"], changes)).toEqual([
    "x-more",
    "1",
    "x-set",
    "new",
    "x-more",
    "2",
  ]);
});
