import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import { findKnownLab, labToRemove } from "../../../src/run/find-lab.ts";
import {
  readRecord,
  recordVersion,
  stampRecord,
  startTiming,
  writeRecord,
  type RunRecord,
} from "../../../src/run/record.ts";
import {
  isLabName,
  labDirectory,
  listLabNames,
  makeLabDirectory,
  stateRoot,
} from "../../../src/run/state-directory.ts";
import { planOf } from "./reference-plan.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cnilab-record-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function recordOf(name: string): RunRecord {
  const plan = planOf([]);
  return {
    schemaVersion: recordVersion,
    lab: name,
    provider: "netns",
    handle: { any: ["thing"] },
    state: "up",
    plan: { ...plan, lab: { ...plan.lab, name } },
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:00.000Z",
    controls: [
      { destination: "shop/db@10.0.0.2 5432 tcp", from: "shop/web", isLoopback: false, at: "2026-01-01T00:00:00.000Z" },
    ],
  };
}

function store(name: string, text: string): void {
  writeFileSync(join(makeLabDirectory(root, name), "record.json"), text);
}

describe("the timing of a run record", () => {
  const [noon, later, earlier] = ["12:00", "12:05", "11:00"].map((time) => new Date(`2026-01-01T${time}:00.000Z`)) as [
    Date,
    Date,
    Date,
  ];

  test("begins where the lab has a limit, and keeps the latest time that was seen", async () => {
    const plan = planOf([]);
    expect(startTiming(plan, noon)).toEqual({ timing: undefined });
    const timing = startTiming({ ...plan, timeLimit: { limitMs: 60_000, afterLimit: "nothing" } }, noon);
    const record = { ...recordOf("shop"), ...timing };
    stampRecord(record, later);
    stampRecord(record, earlier);
    expect(record).toMatchObject({
      updatedAt: earlier.toISOString(),
      timing: { startedAt: noon.toISOString(), latestAt: later.toISOString() },
    });
    makeLabDirectory(root, "shop");
    await writeRecord(root, record);
    expect(readRecord(root, "shop")).toEqual({ kind: "found", record });
  });

  test("that is no time makes the record unreadable, not endless", () => {
    const timing = { startedAt: "soon", latestAt: noon.toISOString() };
    store("shop", JSON.stringify({ ...recordOf("shop"), timing }));
    expect(readRecord(root, "shop")).toMatchObject({
      kind: "unreadable",
      reason: expect.stringContaining("timing.startedAt"),
    });
  });
});

describe("a run record", () => {
  test("reads back as it was written, and leaves no temporary file", async () => {
    makeLabDirectory(root, "shop");
    await writeRecord(root, recordOf("shop"));
    expect(readRecord(root, "shop")).toEqual({ kind: "found", record: recordOf("shop") });
    expect(readdirSync(labDirectory(root, "shop"))).toEqual(["record.json"]);
  });

  test("cut off at any byte is a finding that says so", () => {
    const text = JSON.stringify(recordOf("shop"));
    for (let length = 0; length < text.length; length += 7) {
      store("shop", text.slice(0, length));
      expect(readRecord(root, "shop")).toMatchObject({
        kind: "unreadable",
        reason: expect.stringContaining("not JSON"),
      });
    }
  });

  test.each([
    ["null", "null"],
    ["an array", "[]"],
    ["another document", '{"hello":"world"}'],
    ["a plan that is none", JSON.stringify({ ...recordOf("shop"), plan: { lab: 7 } })],
    ["controls that are none", JSON.stringify({ ...recordOf("shop"), controls: [1] })],
    ["an unknown state", JSON.stringify({ ...recordOf("shop"), state: "asleep" })],
    ["another lab's record", JSON.stringify(recordOf("other"))],
    ["bytes", "\u0000\u0001\ufffd"],
  ])("that is %s is a finding, not an error", (_what, text) => {
    store("shop", text);
    expect(readRecord(root, "shop").kind).toBe("unreadable");
  });

  test.each([0, 2, 99])("of version %i is said to be another release's", (schemaVersion) => {
    store("shop", JSON.stringify({ ...recordOf("shop"), schemaVersion }));
    expect(readRecord(root, "shop")).toMatchObject({ reason: expect.stringContaining("another release") });
  });

  test("that is a folder, or absent, is told apart", () => {
    mkdirSync(join(makeLabDirectory(root, "shop"), "record.json"));
    expect(readRecord(root, "shop").kind).toBe("unreadable");
    expect(readRecord(root, "other").kind).toBe("missing");
  });
});

describe("the state folder", () => {
  test.each([
    [{ XDG_STATE_HOME: "/var/state", HOME: "/home/me" }, "/var/state/cnilab"],
    [{ XDG_STATE_HOME: "relative", HOME: "/home/me" }, "/home/me/.local/state/cnilab"],
    [{ HOME: "/home/me" }, "/home/me/.local/state/cnilab"],
  ])("of %j is %s", (env, folder) => {
    expect(stateRoot(env)).toBe(folder);
  });

  test.each(["../x", "a/b", "", ".", "..", "-a", "A", "a b", "a\u0000b", "x".repeat(64)])(
    "has no place for a lab called %j",
    (name) => {
      expect(isLabName(name)).toBe(false);
      expect(() => labDirectory(root, name)).toThrow(expect.objectContaining({ code: "LAB_NAME_INVALID" }));
    },
  );

  test("lists only folders that can be labs", () => {
    makeLabDirectory(root, "b");
    makeLabDirectory(root, "a");
    mkdirSync(join(root, "labs", "NOT A LAB"));
    writeFileSync(join(root, "labs", "file"), "");
    symlinkSync("/", join(root, "labs", "link"));
    expect(listLabNames(root)).toEqual(["a", "b"]);
  });

  test("that cannot be made is the host's fault, and says what helps", () => {
    writeFileSync(join(root, "file"), "");
    expect(() => makeLabDirectory(join(root, "file"), "a")).toThrow(
      expect.objectContaining({ code: "STATE_UNWRITABLE", hint: expect.stringContaining("XDG_STATE_HOME") }),
    );
  });
});

describe("which lab is meant", () => {
  test("a name with run state, whatever its record holds", () => {
    store("shop", "garbage");
    expect(findKnownLab(root, "shop")).toBe("shop");
  });

  test("the lab file it was made from, also when that is invalid by now", () => {
    const folder = join(root, "source");
    mkdirSync(folder);
    writeFileSync(join(folder, "lab.yaml"), "metadata: {name: shop}\nnonsense: [");
    store(
      "shop",
      JSON.stringify({
        ...recordOf("shop"),
        plan: { ...planOf([]), lab: { ...planOf([]).lab, name: "shop", file: "lab.yaml", directory: folder } },
      }),
    );
    expect(findKnownLab(root, folder)).toBe("shop");
  });

  test("none that runs is an error that names those that do", () => {
    makeLabDirectory(root, "shop");
    const error = catchError(() => findKnownLab(root, "shpo"));
    expect(error).toMatchObject({ code: "LAB_NOT_RUNNING", hint: expect.stringContaining("did you mean shop?") });
  });

  test("to be removed may be unknown, but never be a path that leads elsewhere", () => {
    expect(labToRemove(root, "gone")).toBe("gone");
    expect(catchError(() => labToRemove(root, "../../etc"))).toMatchObject({ code: "LAB_NAME_INVALID" });
  });
});

function catchError(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    return error;
  }
  throw new Error("nothing was thrown");
}
