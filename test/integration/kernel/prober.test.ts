import { beforeAll, describe, expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

interface Seen {
  proven: { id: number; outcome: string; detail: string }[];
  provenMs: number;
  silent: { outcome: string; latencyMs: number }[];
  many: number;
  retransmits: number;
  accepted: number;
  lost: { outcome: string; retransmits: number };
  late: number;
  refusedTransaction: string;
  tables: number;
  fdsLeft: number;
  missing: number;
}

describe("the socket prober", () => {
  let seen: Seen;
  const outcome = (id: number): string | undefined => seen.proven.find((result) => result.id === id)?.outcome;

  beforeAll(async () => {
    seen = (await inNamespace("sweep.ts")) as Seen;
  });

  test("tells answered, refused, unreachable and dropped apart", () => {
    expect(outcome(1)).toBe("answered");
    expect(outcome(2)).toBe("refused");
    expect(outcome(3)).toBe("answered");
    expect(outcome(4)).toBe("refused");
    expect(outcome(5)).toBe("refused");
    expect(outcome(6)).toBe("unreachable");
  });

  test("closes flows that a rule is shown to have dropped long before the deadline", () => {
    const dropped = seen.proven.filter(({ id }) => id >= 100);
    expect(dropped).toHaveLength(100);
    expect(new Set(dropped.map((result) => `${result.outcome} ${result.detail}`))).toEqual(
      new Set(["no-answer dropped by a rule"]),
    );
    expect(seen.provenMs).toBeLessThan(4000);
  });

  test("waits for the whole deadline where nothing is shown", () => {
    expect(seen.silent).toEqual([{ outcome: "no-answer", latencyMs: expect.any(Number) }]);
    expect(seen.silent[0]?.latencyMs).toBeGreaterThanOrEqual(199);
  });

  test("opens thousands at once without losing one or a retransmit", () => {
    expect(seen.many).toBe(3000);
    expect(seen.retransmits).toBe(0);
  });

  test("wakes no server for a connection that says nothing: its handshake's last packet is left out", () => {
    // A thread that is kept waiting for 200 ms between connect(2) and close(2) sends it after all.
    expect(seen.accepted).toBeLessThan(300);
  });

  test("counts a SYN that was sent again", () => {
    expect(seen.lost).toEqual({ outcome: "answered", retransmits: 1 });
  });

  test("takes as answered what was answered before the deadline and read after it", () => {
    expect(seen.late).toBeGreaterThan(1500);
  });

  test("leaves no descriptor behind", () => {
    expect(seen.fdsLeft).toBeLessThan(60);
  });

  test("a refused nftables transaction changes nothing and says why", () => {
    expect(seen.refusedTransaction).toContain("the kernel of server refused an nftables transaction: Error: ");
    expect(seen.tables).toBe(1);
  });

  test("an absent table has no keys", () => {
    expect(seen.missing).toBe(0);
  });
});
