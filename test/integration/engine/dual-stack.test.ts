import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test.concurrent.each([
  ["calico", "cross-subnet"],
  ["flannel", "vxlan"],
])("IPv6 on %s in mode %s: pods, Services, node ports, the outside, full packets, broken links", async (cni, mode) => {
  const broken = { during: ["no-answer"], after: ["answered"], lost: [] };
  expect(await inNamespace("dual-stack.ts", cni, mode)).toEqual({
    first: ["answered", "answered"],
    service: ["answered"],
    hairpin: ["answered"],
    "from a node": ["answered"],
    unanswered: { outcome: "refused", isProven: true },
    nodePort: ["answered", "answered", "answered"],
    hostPort: ["answered", "answered", "answered", "refused"],
    outside: ["answered"],
    fullPacket: "answered",
    tooLarge: "lost",
    echoes: [["answered"], ["answered"], ["too-big"]],
    narrowed: ["answered", "too-big", true, 1300],
    "widened again": [["answered"]],
    udp: ["near", "near", "far"],
    learnt: [],
    tentative: [],
    linkDown: broken,
    nodeDown: broken,
  });
});
