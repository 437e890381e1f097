import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  ansibleFinding,
  cleanedAnsible,
  findAnsible,
  venvFolder,
} from "../../../../src/providers/ssh/ansible/find-ansible.ts";

const scratch = mkdtempSync(join(tmpdir(), "cnilab-find-ansible-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A folder with programs that answer as an Ansible of that version does. */
function ansible(folder: string, version: string, { hasCallback = true } = {}): string {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, body: string): void =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  write("ansible-playbook", `echo 'ansible-playbook [core ${version}]'`);
  write("ansible-doc", hasCallback ? `echo '{"ansible.posix.jsonl": {}}'` : "exit 1");
  return folder;
}

const signal = new AbortController().signal;
const cache = join(scratch, "cache");

test("an Ansible on PATH that is new enough is taken", async () => {
  const path = ansible(join(scratch, "new"), "2.14.18");
  await expect(findAnsible({ path, cache, signal })).resolves.toBe(join(path, "ansible-playbook"));
  await expect(ansibleFinding(findAnsible({ path, cache, signal }))).resolves.toMatchObject({ ok: true });
});

test.each([
  ["old", "2.13.9", true, "ANSIBLE_TOO_OLD", "2.13.9"],
  ["without-callback", "2.19.14", false, "ANSIBLE_TOO_OLD", "ansible.posix.jsonl"],
])("one that does not do is told with what mends it: %s", async (name, version, hasCallback, code, word) => {
  const path = ansible(join(scratch, name), version, { hasCallback });
  const finding = await ansibleFinding(findAnsible({ path, cache, signal }));
  expect(finding).toMatchObject({ ok: false, code, message: expect.stringContaining(word) as string });
  expect(finding.remedy).toContain("pipx install");
});

test("where there is none, it says so", async () => {
  await expect(findAnsible({ path: join(scratch, "nowhere"), cache, signal })).rejects.toMatchObject({
    code: "ANSIBLE_MISSING",
  });
});

test("the environment in the cache stands in for one that is too old", async () => {
  const path = ansible(join(scratch, "old-again"), "2.9.6");
  const bin = ansible(join(venvFolder(join(scratch, "other-cache")), "bin"), "2.19.14");
  const found = findAnsible({ path, cache: join(scratch, "other-cache"), signal });
  await expect(found).resolves.toBe(join(bin, "ansible-playbook"));
});

test("settings of the user's own Ansible are taken out", () => {
  expect(cleanedAnsible({ ANSIBLE_STRATEGY: "free", HOME: "/h" })).toEqual({ ANSIBLE_STRATEGY: undefined });
});
