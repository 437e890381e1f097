import { beforeAll, describe, expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

interface Seen {
  before: { dst: string; dev: string }[];
  cut: { dst: string }[];
  after: unknown[];
  twice: unknown[];
  ipv6: Record<
    "before" | "cut" | "after",
    { addresses: { addr_info: { local?: string }[] }[]; routes: { dst: string }[] }
  >;
  neighbours: Record<"before" | "cut" | "after", { dst: string }[]>;
  limited: { kind: string; root?: boolean; options: { rate: number; burst: number } }[];
  second: string;
  unlimited: { kind: string }[];
  netem: { tool: string; delayed: string; delay: { kind: string; options: { delay?: { delay: number } } }[] };
}

describe("a link that is broken and mended", () => {
  let seen: Seen;

  beforeAll(async () => {
    seen = (await inNamespace("link-faults.ts")) as Seen;
  });

  test("loses its routes when it is cut, and no others", () => {
    expect(seen.before.map(({ dst }) => dst)).toHaveLength(6);
    expect(seen.cut.map(({ dst }) => dst)).toEqual(["10.11.0.0/16"]);
  });

  test("has every route again as it was, and mending it twice changes nothing", () => {
    expect(seen.after).toEqual(seen.before);
    expect(seen.twice).toEqual(seen.before);
  });

  test("keeps its IPv6 address, and has its IPv6 routes again", () => {
    const { before, cut, after } = seen.ipv6;
    // iproute2 leaves an empty object where its filter leaves an address out.
    expect(before.addresses[0]?.addr_info.flatMap(({ local }) => local ?? [])).toEqual(["fd00:1::1"]);
    expect(before.routes.map(({ dst }) => dst).toSorted()).toEqual(
      ["default", "fd00:1::/64", "fd00:8::1", "fd00:9::/64", "fd00:a::/64", "fe80::/64"].toSorted(),
    );
    expect(cut.routes.map(({ dst }) => dst)).toEqual(["fd00:a::/64"]);
    expect(after.routes).toEqual(before.routes);
    expect(after.addresses).toEqual(before.addresses);
  });

  test("has its permanent neighbours again", () => {
    const { before, cut, after } = seen.neighbours;
    expect(before.map(({ dst }) => dst).toSorted()).toEqual(["10.8.0.1", "fd00:8::1"]);
    expect(cut).toEqual([]);
    expect(after.toSorted((a, b) => (a.dst < b.dst ? -1 : 1))).toEqual(
      before.toSorted((a, b) => (a.dst < b.dst ? -1 : 1)),
    );
  });

  test("is limited to a rate, by one queueing discipline alone, and no longer when that is removed", () => {
    expect(seen.limited).toMatchObject([{ kind: "tbf", options: { rate: 1_000_000, burst: 10_000 } }]);
    expect(seen.second).toBe("EEXIST");
    expect(seen.unlimited.map(({ kind }) => kind)).not.toContain("tbf");
  });

  test("is delayed where this kernel has netem, and told so where it has not", () => {
    const { tool, delayed, delay } = seen.netem;
    if (tool === "accepted") {
      expect(delayed).toBe("accepted");
      expect(delay).toMatchObject([{ kind: "netem", options: { delay: { delay: 0.005 } } }]);
    } else expect(delayed).toBe("ENOENT");
  });
});
