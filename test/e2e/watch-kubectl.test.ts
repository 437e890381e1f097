import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repository } from "./cnilab.ts";
import { KubectlLab } from "./kubectl.ts";

const tasks = "test/fixtures/labs/tasks";
const database = join(repository, tasks, "database.yaml");

/** One line of `watch -o json`. */
interface WatchLine {
  type: string;
  verdict?: string;
  earned?: number;
  probed?: number;
  whole?: string[];
  changed?: { key: { from: string; to: string } }[];
}

const lab = new KubectlLab();
const lines: WatchLine[] = [];
let watching: ChildProcess;

beforeAll(async () => {
  await lab.start(tasks);
  const main = join(repository, "dist/cli/main.js");
  const env = { ...process.env, XDG_STATE_HOME: lab.cnilab.stateHome };
  watching = spawn(process.execPath, [main, "watch", "tasks", "-o", "json"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (watching.stdout !== null) {
    createInterface({ input: watching.stdout }).on("line", (line) => lines.push(JSON.parse(line) as WatchLine));
  }
});

afterAll(async () => {
  watching.kill("SIGKILL");
  await lab.cnilab.remove();
});

/** The next line that the test has not had yet, once it is of a regrade that fits. */
async function regrade(fits: (line: WatchLine) => boolean): Promise<WatchLine> {
  await expect.poll(() => (lines.some(fits) ? "it came" : lines), { timeout: 20_000, interval: 20 }).toBe("it came");
  const [found] = lines.filter(fits);
  lines.length = 0;
  if (found === undefined) throw new Error("unreachable: it was polled for");
  return found;
}

test("watch follows what kubectl changes, and the hints that are taken meanwhile", async () => {
  await regrade(({ verdict }) => verdict === "fail");

  await lab.told("apply", "-f", database);
  const solved = await regrade(({ verdict }) => verdict === "pass");
  expect([solved.type, solved.earned]).toEqual(["regrade", 7]);
  expect(solved.changed?.map(({ key }) => [key.from, key.to])).toContainEqual(["app/cache", "app/db"]);
  // What the policy does not touch keeps its answers: 15 cells are there.
  expect(solved.probed).toBeLessThan(15);

  const hint = await lab.cnilab.run("hint", "tasks");
  expect(hint.stdout).toContain("hint 1 of 2, 1.5 points");
  expect(await regrade(({ earned }) => earned === 5.5)).toMatchObject({ verdict: "pass", probed: 0 });

  await lab.told("delete", "networkpolicy", "--all", "-n", "app");
  expect(await regrade(({ verdict }) => verdict === "fail")).toMatchObject({ earned: 0 });

  await lab.told("exec", "-n", "app", "web", "--", "true");
  const byHand = await regrade(({ whole = [] }) => whole.includes("a command in app/web has ended"));
  expect(byHand).toMatchObject({ verdict: "fail", changed: [] });

  // Events are made when they are read, and are no changes: the next regrade is of the policy alone.
  const events = await lab.told("get", "events", "-n", "app");
  for (const reason of ["Scheduled", "Pulled", "Created", "Started"]) {
    expect(events).toMatch(new RegExp(`Normal +${reason} +pod/web `));
  }
  await lab.told("apply", "-f", database);
  await expect.poll(() => lines.length, { timeout: 20_000, interval: 20 }).toBeGreaterThan(0);
  expect(lines[0]).toMatchObject({ verdict: "pass", whole: [] });
});
