import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { deathOf } from "../../../../src/providers/ssh/dead-lease.ts";
import type { Lease, LeaseState } from "../../../../src/providers/ssh/lease.ts";
import { writeSshState } from "../../../../src/providers/ssh/state.ts";

const us = { owner: "ann@desk", controller: "c0ffee" };
let folder: string;

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "cnilab-dead-lease-")), "shop");
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

function held(others: Partial<Lease> = {}): LeaseState {
  const lease = {
    ...us,
    lab: "shop",
    stateDirectory: folder,
    token: "t",
    phase: "up",
    ageMs: 9e9,
    sinceRenewedMs: 9e9,
  };
  return { kind: "held", lease: { ...lease, rebooted: true, ...others }, digest: "d" };
}

async function makeLab(token: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const owner = { ...us, lab: "shop", stateDirectory: folder, token };
  await writeSshState(folder, { lab: "shop", owner, stage: "up", machines: [] });
}

it("nobody is behind a lease of this user and host whose lab is not there any more", async () => {
  expect(deathOf(held(), us)).toBe(`${folder} has no such lab any more`);
  await makeLab("another");
  expect(deathOf(held(), us)).toContain("has no such lab any more");
});

it("a lab that is there lives, and one whose file cannot be read may", async () => {
  await makeLab("t");
  expect(deathOf(held(), us)).toBeUndefined();
  writeFileSync(join(folder, "ssh.json"), "{");
  expect(deathOf(held({ token: "another" }), us)).toBeUndefined();
});

it.each([
  ["of another user or host", { owner: "bob@desk" }],
  ["of another host of the same name", { controller: "facade" }],
  ["of a host that cannot be told", { controller: "" }],
  ["with a path that is not a lab's", { stateDirectory: "/etc" }],
  ["with a path that leads elsewhere", { stateDirectory: "/nowhere/../shop" }],
  ["with a path from anywhere", { stateDirectory: "shop" }],
])("one %s may live, however old it is", (_what, others) => {
  expect(deathOf(held(others), us)).toBeUndefined();
  expect(deathOf(held(others), { ...us, ...("controller" in others ? { controller: "" } : {}) })).toBeUndefined();
});

it("what is no lease at all is nobody's, but what another version wrote may be somebody's", () => {
  const broken = { kind: "unreadable", reason: "it is not a whole lease", digest: "d" } as const;
  expect(deathOf({ ...broken, mayLive: false }, us)).toBe("what is there is no lease");
  expect(deathOf({ ...broken, mayLive: true }, us)).toBeUndefined();
  expect(deathOf({ kind: "free" }, us)).toBeUndefined();
});
