import { beforeAll, describe, expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

interface Seen {
  links: {
    ifname: string;
    mtu: number;
    address: string;
    num_tx_queues: number;
    num_rx_queues: number;
    linkinfo?: { info_kind?: string; info_data?: Record<string, unknown> };
  }[];
  routes: Record<string, unknown>[];
  neighbours: Record<string, unknown>[];
  fdb: Record<string, unknown>[];
  proxyArp: string;
  leftLinks: { ifname: string }[];
  rightLinks: { ifname: string; num_tx_queues: number; num_rx_queues: number }[];
  ping: string;
  refusals: string[];
}

describe("a network host configured over rtnetlink", () => {
  let seen: Seen;
  const link = (name: string): Seen["links"][number] | undefined => seen.links.find(({ ifname }) => ifname === name);

  beforeAll(async () => {
    seen = (await inNamespace("routed-pair.ts")) as Seen;
  });

  test("carries packets from one side of the router to the other", () => {
    expect(seen.ping).toContain("1 received");
  });

  test("has a VXLAN device as asked", () => {
    expect(link("vx")).toMatchObject({
      mtu: 1400,
      address: "66:00:00:00:00:01",
      linkinfo: {
        info_kind: "vxlan",
        info_data: { id: 4096, local: "10.1.0.1", port: 4789, learning: false },
      },
    });
  });

  test("keeps the bridge's MTU and address", () => {
    expect(link("br0")).toMatchObject({
      mtu: 1450,
      address: "02:00:00:00:00:01",
      linkinfo: { info_kind: "bridge" },
    });
  });

  test("has one queue each way at both ends of a pair, however many processors there are", () => {
    for (const end of [link("r0"), seen.rightLinks.find(({ ifname }) => ifname === "eth0")])
      expect(end).toMatchObject({ num_tx_queues: 1, num_rx_queues: 1 });
  });

  test("has routes with protocol, scope, gateway and MTU", () => {
    expect(seen.routes).toContainEqual(
      expect.objectContaining({ dst: "10.2.0.2", dev: "r0", protocol: "80", scope: "link" }),
    );
    expect(seen.routes).toContainEqual(
      expect.objectContaining({
        dst: "10.3.0.0/24",
        gateway: "10.3.0.0",
        dev: "vx",
        flags: ["onlink"],
        metrics: [{ mtu: 1390 }],
      }),
    );
  });

  test("adds no prefix route where none is wanted", () => {
    expect(seen.routes.filter(({ dev }) => dev === "r0")).toHaveLength(1);
  });

  test("pins neighbours and forwarding entries", () => {
    expect(seen.neighbours).toContainEqual(
      expect.objectContaining({
        dst: "10.3.0.0",
        lladdr: "66:00:00:00:00:02",
        state: ["PERMANENT"],
      }),
    );
    expect(seen.fdb).toContainEqual(
      expect.objectContaining({ mac: "66:00:00:00:00:02", dst: "10.1.0.9", state: "permanent" }),
    );
  });

  test("writes sysctls of interfaces made in the same call", () => {
    expect(seen.proxyArp).toBe("1");
  });

  test("reports what the kernel refused in the kernel's words", () => {
    expect(seen.refusals).toEqual([
      'NetlinkError: {"op":"route-add","to":"10.8.0.0/16","via":"9.9.9.9"}: ENETUNREACH: Nexthop has invalid gateway',
      expect.stringContaining("EEXIST"),
    ]);
  });

  test("deletes a route twice without complaint, and a link at both ends", () => {
    expect(seen.routes.filter(({ dst }) => dst === "10.9.0.0/16")).toEqual([]);
    expect(link("l0")).toBeUndefined();
    expect(seen.leftLinks.map(({ ifname }) => ifname)).toEqual(["lo"]);
  });
});
