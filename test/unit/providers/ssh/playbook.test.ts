import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { playbook } from "../../../../src/providers/ssh/ansible/playbook.ts";

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "cnilab-test-playbook-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program in ansible-playbook's place, which notes the scratch folder that it was given. */
async function run(): Promise<{ scratch: string; existed: boolean }> {
  const program = join(folder, "ansible-playbook");
  const seen = join(folder, "seen");
  const script = `#!/bin/sh\necho "$ANSIBLE_SSH_CONTROL_PATH_DIR" > ${seen}\ntest -d "$ANSIBLE_SSH_CONTROL_PATH_DIR" && echo yes >> ${seen}\nexit 4\n`;
  writeFileSync(program, script);
  chmodSync(program, 0o755);
  const settings = {
    kubernetesVersion: "1.34.4",
    podCidrs: [],
    serviceCidrs: [],
    dnsDomain: "cluster.local",
    kubeProxyMode: "nftables" as const,
    kubeadmPatches: [],
    bundle: undefined,
  };
  const { signal } = new AbortController();
  await expect(
    playbook({
      playbook: "reset",
      lab: "one",
      machines: [],
      settings,
      program,
      stateDirectory: folder,
      signal,
      progress: () => {},
    }),
  ).rejects.toMatchObject({ code: expect.stringMatching(/^ANSIBLE_/) });
  const [scratch = "", existed] = readFileSync(seen, "utf8").split("\n");
  return { scratch, existed: existed === "yes" };
}

describe("the folder of a playbook's sockets", () => {
  test("is there while it runs, and gone after it", async () => {
    const { scratch, existed } = await run();
    expect(existed).toBe(true);
    expect(existsSync(scratch)).toBe(false);
  });

  test("of a run that was killed goes with the next; no other folder does, whatever the note says", async () => {
    const killed = mkdtempSync(join(tmpdir(), "cnilab-ansible-"));
    writeFileSync(join(folder, "ansible-scratch"), killed);
    await run();
    expect(existsSync(killed)).toBe(false);
    const other = join(folder, "other");
    writeFileSync(other, "");
    writeFileSync(join(folder, "ansible-scratch"), other);
    await run();
    expect(existsSync(other)).toBe(true);
  });
});
