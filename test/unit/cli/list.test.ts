import { expect, test } from "vitest";
import { supportedCnis } from "../../../src/cli/verbs/list.ts";

/** `provider/cni:mode`, with a `-` before what is refused. */
function runs(...texts: string[]): Parameters<typeof supportedCnis>[0] {
  return texts.map((text) => {
    const [, no, provider = "", cni = "", mode = ""] = /^(-?)(\w+)\/(\w+):(\w+)$/.exec(text) ?? [];
    return { provider, cni, mode, supported: no === "" };
  });
}

test.each([
  ["every mode on some provider", ["netns/a:x", "-netns/a:y", "kind/a:x", "kind/a:y"], "a"],
  ["one mode alone", ["netns/a:x", "-netns/a:y", "kind/a:x", "-kind/a:y"], "a:x"],
  ["on one provider alone", ["-netns/a:x", "kind/a:x", "netns/b:x", "kind/b:x"], "a (kind), b"],
  ["nowhere", ["-netns/a:x", "-kind/a:x", "netns/b:x", "kind/b:x"], "b"],
  ["where there is one provider", ["netns/a:x", "netns/a:y"], "a"],
])("a lab's CNIs: %s", (_name, texts, shown) => {
  expect(supportedCnis(runs(...texts))).toBe(shown);
});
