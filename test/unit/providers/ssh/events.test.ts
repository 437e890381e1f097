import { expect, test } from "vitest";
import { readEvents } from "../../../../src/providers/ssh/ansible/events.ts";
import { playbookError } from "../../../../src/providers/ssh/ansible/failure.ts";

const task = { name: "control_plane : Make the control plane", id: "1" };

function line(event: string, hosts: Record<string, unknown> = {}): string {
  return JSON.stringify({ _event: event, _timestamp: "2026-11-21T20:00:00Z", task, hosts });
}

test("a task's start names it without its role", () => {
  expect(readEvents(line("v2_playbook_on_task_start"))).toEqual([{ kind: "task", name: "Make the control plane" }]);
});

test.each([
  ["v2_runner_on_ok", { changed: false }, "ok"],
  ["v2_runner_on_ok", { changed: true }, "changed"],
  ["v2_runner_on_skipped", { skipped: true }, "skipped"],
  ["v2_runner_on_failed", { failed: true, msg: "no" }, "failed"],
  ["v2_runner_on_unreachable", { unreachable: true, msg: "no" }, "unreachable"],
] as const)("%s with %j is %s", (event, result, outcome) => {
  expect(readEvents(line(event, { w1: result }))).toMatchObject([{ kind: "result", host: "w1", outcome }]);
});

test("of a loop's failure the items that failed are told", () => {
  const results = [{ msg: "fine" }, { failed: true, msg: "disk full" }];
  const [event] = readEvents(line("v2_runner_on_failed", { w1: { msg: "One or more items failed", results } }));
  expect(event).toMatchObject({ message: "disk full" });
});

test("the counts at the end are by host", () => {
  const stats = { w1: { changed: 2, failures: 0, unreachable: 0, ok: 9, skipped: 1 } };
  const text = JSON.stringify({ _event: "v2_playbook_on_stats", stats, custom_stats: {} });
  expect(readEvents(text)).toEqual([{ kind: "stats", hosts: { w1: { changed: 2, failures: 0, unreachable: 0 } } }]);
});

test.each(["[WARNING]: something", "{not json", "{}", '"text"', '{"_event": 7}'])("%j is no event", (text) => {
  expect(readEvents(text)).toEqual([]);
});

function failed(host: string, outcome: "failed" | "unreachable", message: string) {
  return { kind: "result" as const, host, task: "Join workers", outcome, message };
}

test("an error names machine, task and the last lines of what was said", () => {
  const error = playbookError("site.yaml", [failed("w1", "failed", `${"noise\n".repeat(40)}no route`)], [], "paste");
  expect(error.code).toBe("ANSIBLE_FAILED");
  expect(error.message).toMatch(/^w1, Join workers: noise\n/);
  expect(error.message.split("\n").length).toBeLessThan(20);
  expect(error.message).toContain("no route");
});

test("a machine's message cannot steer the terminal", () => {
  const error = playbookError("site.yaml", [failed("w1", "failed", "\u001b[2Jgone")], [], "paste");
  expect(error.message).not.toContain("\u001b");
});

test("machines that are not reached are an error of their own", () => {
  const error = playbookError("site.yaml", [failed("w1", "unreachable", "Connection refused")], [], "paste");
  expect(error).toMatchObject({
    code: "ANSIBLE_UNREACHABLE",
    message: expect.stringContaining("w1: Connection refused") as string,
  });
});

test("a playbook that never came to a task tells what Ansible wrote", () => {
  const error = playbookError("site.yaml", [], ["ERROR! the inventory is broken"], "paste");
  expect(error).toMatchObject({
    code: "ANSIBLE_FAILED",
    message: expect.stringContaining("the inventory is broken") as string,
  });
});
