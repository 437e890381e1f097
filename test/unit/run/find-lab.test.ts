import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findKnownLab } from "../../../src/run/find-lab.ts";
import { recordVersion, writeRecord } from "../../../src/run/record.ts";
import { makeLabDirectory } from "../../../src/run/state-directory.ts";
import { planOf } from "./reference-plan.ts";

let root: string;

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "cnilab-find-")));
  for (const folder of ["one", 'other\'s "lab"']) {
    mkdirSync(join(root, folder));
    writeFileSync(join(root, folder, "lab.yaml"), "metadata: { name: shop }\n");
  }
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

async function madeFromOne(): Promise<void> {
  makeLabDirectory(root, "shop");
  const plan = planOf([]);
  const at = "2026-01-01T00:00:00.000Z";
  await writeRecord(root, {
    schemaVersion: recordVersion,
    lab: "shop",
    provider: "netns",
    handle: {},
    state: "up",
    plan: {
      ...plan,
      lab: { ...plan.lab, name: "shop", directory: join(root, "one"), file: join(root, "one/lab.yaml") },
    },
    createdAt: at,
    updatedAt: at,
    controls: [],
  });
}

describe("a lab that is there", () => {
  test("is found by its name, its folder and its file", async () => {
    await madeFromOne();
    for (const argument of ["shop", join(root, "one"), join(root, "one/lab.yaml")]) {
      expect(findKnownLab(root, argument), argument).toBe("shop");
    }
  });

  test("is not meant by another file with the same name", async () => {
    await madeFromOne();
    expect(() => findKnownLab(root, join(root, 'other\'s "lab"'))).toThrow(
      `was made from ${join(root, "one/lab.yaml")}, not from`,
    );
  });

  test("is meant by a file elsewhere when its own is gone: the folder was moved", async () => {
    await madeFromOne();
    rmSync(join(root, "one"), { recursive: true });
    expect(findKnownLab(root, join(root, 'other\'s "lab"'))).toBe("shop");
  });
});

test("the command in the hint can be pasted, whatever the path holds", () => {
  const folder = join(root, 'other\'s "lab"');
  let hint: unknown;
  try {
    findKnownLab(root, folder);
  } catch (error) {
    hint = (error as { hint?: unknown }).hint;
  }
  expect(hint).toContain(`cnilab up '${folder.replaceAll("'", "'\\''")}' starts it`);
});
