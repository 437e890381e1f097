import { expect, test } from "vitest";
import { conntrackRefusal } from "../../../../src/providers/netns/conntrack-limit.ts";

test.each([
  ["the usual limit", 262_144, undefined],
  ["a limit that is not known yet", undefined, undefined],
  ["the largest", 524_288, undefined],
  ["one more", 524_289, /^net\.netfilter\.nf_conntrack_max is 524289: .* at most 524288 entries$/],
  ["no limit", 0, /is 0, which is no limit: /],
])("a table with %s is filled or refused with its size", (_, limit, refusal) => {
  const found = conntrackRefusal(limit);
  if (refusal === undefined) expect(found).toBeUndefined();
  else expect(found).toMatch(refusal);
});
