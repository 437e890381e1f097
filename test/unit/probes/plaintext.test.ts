import { describe, expect, it } from "vitest";
import type { CapturedPacket } from "../../../src/kernel/packet-reader.ts";
import { plaintext } from "../../../src/probes/plaintext.ts";
import { datagram, echo, ipv4, seen, vxlan } from "../../fixtures/packets.ts";
import { shopContext, shopPod } from "../../fixtures/shop-world.ts";
import { toolOutput } from "../../tool-output.ts";

const [web, db] = ["10.244.1.1", "10.244.2.1"];
const [node1, node2] = ["172.30.0.11", "172.30.0.12"];
const onNode = (name: string, ip: string, nodeName: string) => {
  const pod = shopPod({ name, ip });
  return { ...pod, spec: { ...(pod as unknown as { spec: object }).spec, nodeName } };
};

/** `captures` gets the bytes that were sent. */
async function probe(captures: (bytes: Buffer) => Record<string, CapturedPacket[]>, dbNode = "worker2") {
  let bytes = Buffer.alloc(0);
  const context = shopContext({
    objects: [onNode("web-1", web, "worker1"), onNode("db-1", db, dbNode)],
    exec: (argv) => {
      bytes = Buffer.from(argv[argv.indexOf("-p") + 1] ?? "", "hex");
      return toolOutput("ping-ok");
    },
    capture: (source) => captures(bytes)[source.kind === "external" ? "external" : source.name] ?? [],
  });
  const worker = (name: string, address: string) => ({
    name,
    role: "worker" as const,
    labels: {},
    taints: [],
    interfaces: [{ name: "eth0", network: "lan", addresses: [address], prefixLengths: [24], mtu: 1500 }],
  });
  const topology = { name: "two", networks: [], nodes: [worker("worker1", node1), worker("worker2", node2)] };
  const objects = [onNode("web-1", web, "worker1"), onNode("db-1", db, dbNode)];
  const parsed = plaintext.options.parse({ to: "shop/pod/db-1" });
  const from = { kind: "pod", namespace: "shop", name: "web-1" } as const;
  const cells = await plaintext.run(parsed, from, { ...context, objects, plan: { ...context.plan, topology } });
  return cells[0]?.observation;
}

const received = (bytes: Buffer) => ({ "db-1": [seen("eth0", true, echo(web, db, bytes))] });

describe("plaintext", () => {
  it("sees the bytes on the wire, inside a tunnel, too", async () => {
    const found = await probe((bytes) => ({
      ...received(bytes),
      worker1: [
        seen("cni0", true, echo(web, db, bytes)),
        seen("eth0", false, vxlan(node1, node2, echo(web, db, bytes))),
      ],
    }));
    expect(found).toMatchObject({
      outcome: "allowed",
      reason: "visible on the links of worker1",
      measured: { visible: true, linkPackets: 1 },
    });
    expect(found?.evidence[0]?.text).toBe(
      `worker1: out at eth0: vxlan ${node1} → ${node2} around ${web} → ${db} (icmp, TTL 64)`,
    );
  });

  it("says that they are hidden where the receiver has them and the wire shows others", async () => {
    const found = await probe((bytes) => ({
      ...received(bytes),
      worker1: [
        seen("cni0", true, echo(web, db, bytes)),
        seen("eth0", false, ipv4(node1, node2, 50, Buffer.alloc(120))),
      ],
    }));
    expect(found).toMatchObject({
      measured: { visible: false, linkPackets: 1 },
      reason: "hidden: received by shop/db-1, and in none of 1 packets on links between nodes",
    });
  });

  it.each([
    [
      "PLAINTEXT_NOT_RECEIVED",
      "worker2",
      () => ({ worker1: [seen("eth0", false, datagram(node1, node2, Buffer.alloc(90)))] }),
    ],
    ["PLAINTEXT_NOTHING_SEEN", "worker2", received],
    ["PLAINTEXT_SAME_NODE", "worker1", received],
  ])("concludes nothing without its controls: %s", async (code, dbNode, captures) => {
    const found = await probe(captures, dbNode);
    expect(found?.outcome).toBe("error");
    expect(found?.reason).toMatch(new RegExp(`^${code}: `));
  });

  it("compares what was seen", () => {
    const compare = (visible: boolean): string | undefined =>
      plaintext.compare?.({ visible: true }, plaintext.expect?.parse({ visible }) ?? {}, shopContext());
    expect(compare(true)).toBeUndefined();
    expect(compare(false)).toBe("expected the bytes to be hidden on the links between nodes, observed them visible");
  });
});
