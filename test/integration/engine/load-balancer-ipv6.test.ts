import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test("IPv6 addresses of load balancers: who is answered, by whom, and as whom", async () => {
  expect(await inNamespace("load-balancer-ipv6.ts", "calico")).toEqual({
    families: { both: ["IPv4", "IPv6"], six: ["IPv6"], own: ["IPv4", "IPv6"] },
    both: ["somebody else", "somebody else"],
    six: ["somebody else"],
    own: ["the outside", "the outside"],
    "another port": "no-answer",
    nobody: "no-answer",
    "from a pod": "answered",
    "who announces own": ["worker2", "worker2"],
    "is asked again when it is forgotten": ["answered", "worker2"],
    "own, when its endpoint moved": ["the outside", "worker1"],
    "of a pool that is changed": ["2001:db8:5::1", "no-answer"],
    "when the node dies": ["answered", true],
    "and comes back": ["answered", true],
  });
});
