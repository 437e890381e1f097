import { describe, expect, it } from "vitest";
import type { CapturedPacket } from "../../../src/kernel/packet-reader.ts";
import { path } from "../../../src/probes/path.ts";
import type { ProbeContext } from "../../../src/probes/types.ts";
import type { SweepCellResult } from "../../../src/providers/types.ts";
import { datagram, ipv4, seen, syn, vxlan } from "../../fixtures/packets.ts";
import { shopContext } from "../../fixtures/shop-world.ts";

const [web, db] = ["10.244.1.1", "10.244.2.1"];
const [node1, node2] = ["172.30.0.11", "172.30.0.12"];

/** What each place captures, by its name. */
type Captures = Record<string, CapturedPacket[]>;

const out = (ttl: number): Buffer => syn(web, db, { ttl });

const overVxlan: Captures = {
  "shop/web-1": [seen("eth0", false, out(64))],
  "node/worker1": [
    seen("veth1", true, out(64)),
    seen("cni0", true, out(64)),
    seen("flannel.1", false, out(63)),
    seen("eth0", false, vxlan(node1, node2, out(63))),
  ],
  "node/worker2": [
    seen("eth0", true, vxlan(node1, node2, out(63))),
    seen("flannel.1", true, out(63)),
    seen("veth2", false, out(62)),
  ],
  "shop/db-1": [seen("eth0", true, out(62))],
};

async function follow(
  captures: Captures,
  options: { options?: Record<string, unknown>; tried?: Omit<SweepCellResult, "id">; failsAt?: string } = {},
) {
  const context = shopContext({
    sweep: () => options.tried ?? { outcome: "answered", detail: "", latencyMs: 1 },
    exec: (argv, source) => ({ stdout: `${source.kind === "node" ? source.name : ""}: ${argv.join(" ")}\n` }),
    capture: (source) => {
      const name =
        source.kind === "pod"
          ? `${source.namespace}/${source.name}`
          : source.kind === "node"
            ? `node/${source.name}`
            : "external";
      if (name === options.failsAt) throw new Error("no tcpdump");
      return captures[name] ?? [];
    },
  });
  const interfaces = (address: string) => [
    { name: "eth0", network: "lan", addresses: [address], prefixLengths: [24], mtu: 1500 },
  ];
  const worker = (name: string, address: string) => ({
    name,
    role: "worker" as const,
    labels: {},
    taints: [],
    interfaces: interfaces(address),
  });
  const plan: ProbeContext["plan"] = {
    ...context.plan,
    topology: { name: "two", networks: [], nodes: [worker("worker1", node1), worker("worker2", node2)] },
  };
  const parsed = path.options.parse({ to: "shop/pod/db-1", port: 80, ...options.options });
  const cells = await path.run(parsed, { kind: "pod", namespace: "shop", name: "web-1" }, { ...context, plan });
  return { observation: cells[0]?.observation, cells };
}

describe("path", () => {
  it("follows a SYN through VXLAN, with what each node says of its route", async () => {
    const { observation } = await follow(overVxlan);
    expect(observation).toMatchObject({
      outcome: "allowed",
      reason: `arrived at shop/db-1 after 2 hops via worker1, worker2; vxlan; source address kept (${web})`,
      measured: {
        hops: 2,
        encapsulation: "vxlan",
        sourceAddress: "kept",
        via: ["worker1", "worker2"],
        destination: db,
      },
    });
    expect(observation?.evidence.map(({ text }) => text)).toEqual([
      `shop/web-1 sends ${web}:40000 → ${db}:80 (tcp, TTL 64)`,
      `  worker1: in at veth1, out at eth0: vxlan ${node1} → ${node2} around ${web}:40000 → ${db}:80 (tcp, TTL 63)`,
      `  worker2: in at eth0, out at veth2: ${web}:40000 → ${db}:80 (tcp, TTL 62)`,
      `shop/db-1 gets ${web}:40000 → ${db}:80 (tcp, TTL 62)`,
      `worker1: ip route get ${db} from ${web} iif cni0`,
      `worker2: ip route get ${db} from ${web} iif flannel.1`,
    ]);
  });

  it("sees a source address that a node put in place of the pod's", async () => {
    const masqueraded = syn(node1, db, { ttl: 63 });
    const { observation } = await follow({
      "shop/web-1": [seen("eth0", false, out(64))],
      "node/worker1": [seen("veth1", true, out(64)), seen("eth0", false, masqueraded)],
      "node/worker2": [seen("eth0", true, masqueraded), seen("veth2", false, syn(node1, db, { ttl: 62 }))],
      "shop/db-1": [seen("eth0", true, syn(node1, db, { ttl: 62 }))],
    });
    expect(observation?.measured).toMatchObject({ encapsulation: "none", sourceAddress: "rewritten", source: node1 });
  });

  it.each([
    ["wireguard", datagram(node1, node2, Buffer.from(`04000000${"ab".repeat(76)}`, "hex"), 51_820)],
    ["esp", ipv4(node1, node2, 50, Buffer.alloc(80))],
  ])("names %s, which it cannot look into", async (name, tunnel) => {
    const { observation } = await follow({
      ...overVxlan,
      "node/worker1": [seen("veth1", true, out(64)), seen("wg0", false, out(63)), seen("eth0", false, tunnel)],
      "node/worker2": [seen("eth0", true, tunnel), seen("wg0", true, out(63)), seen("veth2", false, out(62))],
    });
    expect(observation?.measured).toMatchObject({ encapsulation: name, hops: 2 });
  });

  it("is an error, never a figure, where a link showed nothing like the flow", async () => {
    const { observation } = await follow({
      ...overVxlan,
      "node/worker1": [seen("veth1", true, out(64)), seen("tun0", false, out(63))],
    });
    expect(observation).toMatchObject({ outcome: "error" });
    expect(observation?.reason).toMatch(/^PATH_UNRECOGNISED: .*left worker1 for worker2/);
  });

  it("tells of a flow that is lost how far it came, and measures nothing", async () => {
    const { observation } = await follow(
      {
        "shop/web-1": overVxlan["shop/web-1"] ?? [],
        "node/worker1": overVxlan["node/worker1"] ?? [],
      },
      { tried: { outcome: "no-answer", detail: "", latencyMs: 1100 } },
    );
    expect(observation).toMatchObject({ outcome: "dropped" });
    expect(observation?.measured).toBeUndefined();
    expect(observation?.evidence.map(({ text }) => text)).toContain("it is not seen to arrive");
  });

  it("is an error where an answer came from where nothing arrived", async () => {
    const { observation } = await follow({ ...overVxlan, "shop/db-1": [] });
    expect(observation?.reason).toMatch(/^PATH_NOT_SEEN: /);
  });

  it("is an error where a place cannot be captured at, or its source shows nothing", async () => {
    expect((await follow(overVxlan, { failsAt: "node/worker2" })).observation).toMatchObject({ outcome: "error" });
    expect((await follow({ ...overVxlan, "shop/web-1": [] })).observation?.reason).toMatch(/^PATH_NOT_SEEN: /);
  });

  it("takes a connection of another client for none of its own", async () => {
    const other = syn("10.244.1.9", db, { sequence: 99 });
    const { observation } = await follow({
      ...overVxlan,
      "node/worker2": [seen("cni0", true, other), ...(overVxlan["node/worker2"] ?? [])],
      "shop/db-1": [seen("eth0", true, other), ...(overVxlan["shop/db-1"] ?? [])],
    });
    expect(observation?.measured).toMatchObject({ source: web, hops: 2 });
  });

  it("compares each figure, and says what differs", () => {
    const measured = {
      hops: 2,
      encapsulation: "vxlan",
      sourceAddress: "kept",
      source: web,
      destination: db,
      at: "shop/db-1",
      via: ["worker1", "worker2"],
    };
    const compare = (expected: object): string | undefined =>
      path.compare?.(measured, path.expect?.parse(expected) ?? {}, shopContext());
    expect(
      compare({ hops: 2, encapsulation: "vxlan", sourceAddress: "kept", via: ["worker1", "worker2"] }),
    ).toBeUndefined();
    expect(compare({ hops: "<= 1" })).toBe("expected hops <= 1, observed 2");
    expect(compare({ encapsulation: "none" })).toBe("expected encapsulation none, observed vxlan");
    expect(compare({ sourceAddress: "rewritten" })).toBe(
      `expected the source address rewritten, observed it kept: ${web}`,
    );
    expect(compare({ via: ["worker2"] })).toBe("expected the way via worker2, observed worker1, worker2");
  });

  it("wants a port with tcp and udp, and none with icmp", () => {
    expect(path.options.safeParse({ to: "external" }).success).toBe(true);
    expect(path.options.safeParse({ to: "external", protocol: "udp" }).error?.issues[0]?.message).toBe(
      "path over udp needs a port",
    );
    expect(path.options.safeParse({ to: "external", protocol: "icmp", port: 8 }).error?.issues[0]?.message).toBe(
      "ICMP has no ports",
    );
  });
});
