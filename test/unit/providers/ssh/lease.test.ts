import { describe, expect, it, test } from "vitest";
import { describeLease, isOurs, leaseAnswer, leaseRemedy, newLeaseOwner } from "../../../../src/providers/ssh/lease.ts";

const file = { version: 1, lab: "shop", owner: "ann@desk", stateDirectory: "/s", token: "t", phase: "install" };
const held = { kind: "held", lease: file, ages: { since: 3723, renewed: 12 }, rebooted: false, digest: "d" };
const FORCE =
  "where its controller is gone for good, remove /var/lib/cnilab/lease.json there as root, and then cnilab up --force";

describe("a lease", () => {
  it("tells its holder, its age and what frees it", () => {
    const state = leaseAnswer.parse(held);
    expect(describeLease("pi", state)).toBe(
      "pi is held by lab shop of ann@desk, taken 1h2m3s ago, last heard of 12s ago, phase install",
    );
    expect(leaseRemedy([state, state])).toBe(`cnilab down shop as ann@desk; or ${FORCE}`);
    expect(describeLease("pi", leaseAnswer.parse({ ...held, rebooted: true }))).toContain(
      "the machine was restarted since",
    );
  });

  it("is ours by its token alone", () => {
    const state = leaseAnswer.parse(held);
    expect(isOurs(state, { token: "t" })).toBe(true);
    expect(isOurs(state, { token: "T" })).toBe(false);
    expect(isOurs(state, undefined)).toBe(false);
    expect(isOurs({ kind: "free" }, undefined)).toBe(false);
  });

  it.each([
    ["no version", { ...held, lease: { ...file, version: undefined } }],
    ["another version", { ...held, lease: { ...file, version: 2 } }],
    ["a list for a name", { ...held, lease: { ...file, lab: ["x"] } }],
    ["a list for all", { ...held, lease: [] }],
    ["a name without end", { ...held, lease: { ...file, lab: "x".repeat(5000) } }],
    ["an age below zero", { ...held, ages: { since: -1, renewed: 0 } }],
  ])("with %s is one that cannot be read, not free", (_what, answer) => {
    expect(leaseAnswer.parse(answer)).toEqual({
      kind: "unreadable",
      reason: "it is not a whole lease",
      mayLive: true,
      digest: "d",
    });
  });

  it("shows what others wrote into it as one line that orders nothing", () => {
    const lab = "x'; reboot; '\u001b[2J\nmachine-9 is free";
    const state = leaseAnswer.parse({ ...held, lease: { ...file, lab } });
    expect(describeLease("pi", state)).toContain(String.raw`lab x'; reboot; '\x1b[2J\nmachine-9 is free of`);
    expect(leaseRemedy([state])).toBe(FORCE);
  });
});

test("each owner has a token of its own", () => {
  const [one, two] = [newLeaseOwner("shop", "/s"), newLeaseOwner("shop", "/s")];
  expect(one.owner).toMatch(/^.+@.+$/);
  expect(one.token).toHaveLength(32);
  expect(one.token).not.toBe(two.token);
});
