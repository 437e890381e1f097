import { describe, expect, it } from "vitest";
import type { DropProof } from "../../../src/grade/types.ts";
import { tcp } from "../../../src/probes/tcp.ts";
import type { SweepCell, SweepCellResult } from "../../../src/providers/types.ts";
import { shopContext, shopObjects, shopPod } from "../../fixtures/shop-world.ts";
import { toolOutput } from "../../tool-output.ts";

const web = { kind: "workload", namespace: "shop", workload: "deployment", name: "web" } as const;

type Answer = Omit<SweepCellResult, "id">;

const answered: Answer = { outcome: "answered", detail: "connected", latencyMs: 0.4 };
const isControl = ({ from }: SweepCell): boolean => from.kind === "pod" && from.name !== "web-1";

async function connect(to: string, port: number, result: Answer | undefined, tool = toolOutput("bash-connected")) {
  const context = shopContext({
    sweep: (cell) => (isControl(cell) ? answered : result),
    exec: () => tool,
  });
  const cells = await tcp.run(tcp.options.parse({ to, port }), web, context);
  return { cells, context };
}

describe("tcp", () => {
  it("takes the outcome from the socket and keeps bash's output beside it", async () => {
    const { cells, context } = await connect("shop/service/db", 5432, answered);
    expect(cells[0]).toMatchObject({
      key: { from: "shop/deployment/web", to: "shop/service/db", port: 5432, protocol: "tcp" },
      destination: "shop/service/db",
      flow: {
        from: { kind: "pod", namespace: "shop", name: "web-1" },
        to: [{ kind: "pod", namespace: "shop", name: "db-1" }],
        address: "10.96.12.34",
        port: 5432,
        targetPorts: [5432],
      },
      observation: { outcome: "allowed", reason: "connected", latencyMs: 0.4 },
    });
    const texts = cells[0]?.observation?.evidence.map(({ text }) => text);
    expect(texts).toEqual(["tcp from shop/web-1 to 10.96.12.34:5432: connected after 0.4 ms", "connected"]);
    expect(context.cluster.execs[0]?.argv).toEqual([
      "timeout",
      "1.1",
      "bash",
      "-c",
      "exec 3<>/dev/tcp/10.96.12.34/5432 && echo connected",
    ]);
  });

  it("probes the destination from itself in the same sweep, as a control that is not graded", async () => {
    const { cells, context } = await connect("shop/service/web", 80, {
      outcome: "no-answer",
      detail: "no answer before the deadline",
      latencyMs: 1100,
    });
    expect(context.cluster.sweeps).toHaveLength(1);
    expect(cells.slice(1)).toMatchObject([
      {
        key: { from: "shop/web-1", to: "shop/web-1", port: 80, protocol: "tcp" },
        destination: "shop/service/web",
        flow: { address: "10.244.1.1", port: 8080 },
        ungraded: expect.stringContaining("control") as string,
      },
      { key: { from: "shop/web-2", to: "shop/web-2" }, observation: { outcome: "allowed" } },
    ]);
  });

  it("is dropped on silence, and says which rule where the kernel recorded it", async () => {
    const silence: Answer = { outcome: "no-answer", detail: "dropped by a rule", latencyMs: 3 };
    const proof: DropProof = {
      node: "worker1",
      direction: "egress",
      source: "10.244.1.1",
      destination: "10.244.2.1",
      protocol: "tcp",
      sourcePort: 40000,
      destinationPort: 5432,
    };
    const { cells } = await connect("shop/service/db", 5432, { ...silence, proof }, toolOutput("bash-timeout"));
    expect(cells[0]?.observation).toMatchObject({
      outcome: "dropped",
      reason: "SYN dropped by egress policy on worker1",
      proof,
    });
    expect(cells[0]?.observation?.evidence.at(-2)).toEqual({
      kind: "kernel-drop",
      text: "10.244.1.1:40000 → 10.244.2.1:5432/tcp: dropped by egress policy on worker1",
    });
    const unproven = await connect("shop/service/db", 5432, { ...silence, latencyMs: 1100 });
    expect(unproven.cells[0]?.observation).toMatchObject({
      outcome: "dropped",
      reason: "no answer to SYN within 1100 ms",
    });
    expect(unproven.cells[0]?.observation).not.toHaveProperty("proof");
  });

  it.each([
    ["refused", "ECONNREFUSED", "connection refused"],
    ["unreachable", "EHOSTUNREACH", "no route to host (ICMP host unreachable or prohibited, or no neighbour answered)"],
    ["unreachable", "EFUNNY", "unreachable: EFUNNY"],
  ] as const)("is rejected when %s with %s", async (outcome, detail, reason) => {
    const { cells } = await connect("shop/service/db", 5432, { outcome, detail, latencyMs: 0.2 });
    expect(cells[0]?.observation).toMatchObject({ outcome: "rejected", reason });
  });

  it("does not take kube-proxy's refusal for a policy's: a Service without endpoints is not isolated", async () => {
    const proof: DropProof = {
      node: "worker1",
      direction: "egress",
      source: "10.244.1.1",
      destination: "10.96.12.34",
      protocol: "tcp",
      sourcePort: 40000,
      destinationPort: 5432,
    };
    const refused = await connect("shop/service/db", 5432, {
      outcome: "refused",
      detail: "ECONNREFUSED",
      latencyMs: 1,
      proof,
    });
    expect(refused.cells[0]?.observation).toMatchObject({
      outcome: "rejected",
      reason: "refused by kube-proxy on worker1: nothing is ready behind 10.96.12.34:5432",
    });
    const silent = await connect("shop/service/db", 5432, {
      outcome: "no-answer",
      detail: "dropped by a rule",
      latencyMs: 1,
      proof,
    });
    expect(silent.cells[0]?.observation).toMatchObject({
      outcome: "dropped",
      reason: "dropped by kube-proxy on worker1: nothing is ready behind 10.96.12.34:5432",
    });
    for (const { cells } of [refused, silent]) expect(cells[0]?.observation).not.toHaveProperty("proof");
  });

  it("calls the kernel's own timeout silence, not a refusal", async () => {
    const { cells } = await connect("shop/service/db", 5432, {
      outcome: "unreachable",
      detail: "ETIMEDOUT",
      latencyMs: 900,
    });
    expect(cells[0]?.observation?.outcome).toBe("dropped");
  });

  it("is an error when the socket could not be opened, and unseen when the sweep left it out", async () => {
    const failed = await connect("shop/service/db", 5432, { outcome: "error", detail: "EMFILE", latencyMs: 0 });
    expect(failed.cells[0]?.observation).toMatchObject({
      outcome: "error",
      reason: "the connection could not be tried: EMFILE",
    });
    const missing = await connect("shop/service/db", 5432, undefined);
    expect(missing.cells[0]).not.toHaveProperty("observation");
  });

  it("does not let a missing bash change the outcome", async () => {
    const { cells } = await connect("shop/service/db", 5432, answered, {
      exitCode: 127,
      stdout: "",
      stderr: "bash: not found",
    });
    expect(cells[0]?.observation?.outcome).toBe("allowed");
    expect(cells[0]?.observation?.evidence.at(-1)?.text).toContain("bash could not show the connection");
  });

  it("does not wait for a bash that is still connecting when the socket has its outcome", async () => {
    const context = shopContext({
      sweep: () => answered,
      exec: (_argv, _source, { signal }) =>
        new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted")))),
    });
    const [cell] = await tcp.run(tcp.options.parse({ to: "shop/service/db", port: 5432 }), web, context);
    expect(cell?.observation?.outcome).toBe("allowed");
    expect(cell?.observation?.evidence.at(-1)?.text).toBe(
      "bash was still connecting 250 ms after the socket had its outcome",
    );
  });

  it("stops bash as soon as the socket has waited for its whole deadline", async () => {
    const context = shopContext({
      sweep: () => ({ outcome: "no-answer", detail: "no answer before the deadline", latencyMs: 1100 }),
      exec: (_argv, _source, { signal }) =>
        new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted")))),
    });
    const [cell] = await tcp.run(tcp.options.parse({ to: "shop/service/db", port: 5432 }), web, context);
    expect(cell?.observation?.outcome).toBe("dropped");
    expect(cell?.observation?.evidence.at(-1)?.text).toBe(
      "bash was still connecting when the socket's deadline had passed",
    );
  });

  it("resolves a name from the source first, and is about the lookup where that fails", async () => {
    const digs: string[] = ["dig-a", "dig-nxdomain", "dig-timeout"];
    const context = shopContext({
      sweep: () => answered,
      exec: ([tool]) => toolOutput(tool === "dig" ? (digs.shift() ?? "") : "bash-connected"),
    });
    const options = tcp.options.parse({ to: "db", port: 5432 });
    const [found] = await tcp.run(options, web, context);
    expect(found).toMatchObject({ destination: "shop/service/db", observation: { outcome: "allowed" } });
    expect(found?.observation?.evidence[0]).toEqual({ kind: "resolution", text: "db → 10.96.12.34" });
    const [missing] = await tcp.run(options, web, context);
    expect(missing).toMatchObject({ destination: "lookup of db", observation: { outcome: "rejected" } });
    const [silent] = await tcp.run(options, web, context);
    expect(silent).toMatchObject({ destination: "lookup of db", observation: { outcome: "dropped" } });
    expect(context.cluster.sweeps).toHaveLength(1);
  });

  it("is an error when no pod of the destination is ready: a missing server is not a blocked one", async () => {
    const objects = shopObjects().filter(({ kind }) => kind !== "Pod");
    const pods = [
      shopPod({ name: "web-1", ip: "10.244.1.1", owner: "web-rs" }),
      shopPod({ name: "db-1", ip: "10.244.2.1", owner: "db-rs", isReady: false }),
    ];
    const context = shopContext({ objects: [...objects, ...pods] });
    const [cell] = await tcp.run(tcp.options.parse({ to: "shop/deployment/db", port: 5432 }), web, context);
    expect(cell?.observation).toMatchObject({
      outcome: "error",
      reason: "TARGET_NOT_READY: shop/deployment/db has no ready pod to probe (1 not ready)",
    });
  });

  it("is an error without a source", async () => {
    const [cell] = await tcp.run(tcp.options.parse({ to: "shop/service/db", port: 5432 }), undefined, shopContext());
    expect(cell?.observation).toMatchObject({
      outcome: "error",
      reason: expect.stringContaining("PROBE_NO_SOURCE") as string,
    });
  });

  it("is rejected, and no error, where the destination has no address of the family asked for", async () => {
    const context = shopContext({ sweep: () => answered });
    const cells = await tcp.run(tcp.options.parse({ to: "shop/service/db", port: 5432, family: "ipv6" }), web, context);
    expect(cells).toMatchObject([
      { observation: { outcome: "rejected", reason: "Service shop/db has no IPv6 address" } },
    ]);
    expect(context.cluster.sweeps).toEqual([]);
  });
});
