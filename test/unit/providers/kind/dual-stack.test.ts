import { expect, test } from "vitest";
import { cidrContainsCidr, parseCidr, type Cidr } from "../../../../src/core/ip.ts";
import { withIpv6 } from "../../../../src/lab/families.ts";
import { loadTopology } from "../../../../src/lab/topology.ts";
import { uniqueLocalSubnet } from "../../../../src/providers/kind/network.ts";
import { kind } from "../../../../src/providers/kind/provider.ts";

test("an IPv6 subnet of a lab is a /64 of its own in fd00::/8, the same each time", () => {
  const subnets = ["cnilab-a", "cnilab-b"].map((name) => uniqueLocalSubnet(name, 1, []));
  for (const subnet of subnets) {
    expect(cidrContainsCidr(parseCidr("fd00::/8") as Cidr, parseCidr(subnet) as Cidr)).toBe(true);
    expect(subnet).toMatch(/\/64$/);
  }
  expect(new Set([...subnets, uniqueLocalSubnet("cnilab-a", 2, [])]).size).toBe(3);
  expect(uniqueLocalSubnet("cnilab-a", 1, [])).toBe(subnets[0]);
});

test("it is another one where that is in a network to be avoided", () => {
  const first = uniqueLocalSubnet("cnilab-a", 1, []);
  const other = uniqueLocalSubnet("cnilab-a", 1, ["10.96.0.0/12", first]);
  expect(other).not.toBe(first);
});

test("nodes in several networks and two families are refused, either alone is not", () => {
  const work = { scenario: [], probes: [], tasks: [] };
  const refused = (topology: ReturnType<typeof loadTopology>): string[] =>
    (kind.refusals?.({ topology, ...work }) ?? []).map(({ code, message }) => `${code}: ${message}`);
  expect(refused(withIpv6(loadTopology("two-subnets")))).toEqual([
    "PLAN_PROVIDER_LACKS: provider kind makes no dual-stack cluster (cluster.ipFamily) of nodes in 2 networks",
  ]);
  expect(refused(loadTopology("two-subnets"))).toEqual([]);
  expect(refused(withIpv6(loadTopology("two-workers")))).toEqual([]);
});
