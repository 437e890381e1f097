import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRemote } from "../../src/exec/ssh/remote.ts";
import { findAnsible } from "../../src/providers/ssh/ansible/find-ansible.ts";
import { playbook, type PlaybookRun } from "../../src/providers/ssh/ansible/playbook.ts";
import { sudoPasswords } from "../../src/providers/ssh/machines.ts";
import { cacheRoot } from "../../src/supplies/cache-root.ts";
import { type RigMachine, type RigMachines, startMachines } from "./machines.ts";
import { onRig, rigMissing } from "./rig.ts";
import { on, targetOf } from "./ssh-machines.ts";

const ansibleMissing = process.env["CNILAB_ANSIBLE_MISSING"];
const reason = ansibleMissing === undefined || ansibleMissing === "" ? undefined : `needs Ansible: ${ansibleMissing}`;

/** Looks like a template, and has what shells and YAML read. */
const PASSWORD = `{{ 7 * 7 }} 'grätchen" #: 29c1f7`;
const MARK = "29c1f7";

onRig(rigMissing ?? reason)("sudo with a password", () => {
  let set: RigMachines;
  let first: RigMachine;

  beforeAll(() => {
    set = startMachines(1);
    [first] = set.machines as [RigMachine];
    on(
      first,
      'printf "lab:%s\\n" "$1" | chpasswd; grep -rl NOPASSWD /etc/sudoers /etc/sudoers.d | xargs sed -i s/NOPASSWD://',
      PASSWORD,
    );
  });
  afterAll(() => set.remove());

  test("is asked once and is Ansible's, without it being in a list of processes, an environment, a file or a log", async () => {
    const questions: string[] = [];
    const remote = await openRemote(targetOf(first), {
      ask: async ({ text }) => {
        questions.push(text);
        return Promise.resolve(PASSWORD);
      },
    });
    const seen: string[] = [];
    const said: string[] = [];
    const watch = setInterval(() => seen.push(...processesWith(MARK)), 20);
    try {
      expect((await remote.run(["id", "-u"], { sudo: true })).stdout).toBe("0\n");
      const passwords = await sudoPasswords(new Map([["machine-1", remote]]));
      expect(questions).toHaveLength(1);
      const run = await runWith(passwords);
      // A real change and its way back, each as root by Ansible.
      on(first, "mkdir -p /etc/kubernetes; echo x > /etc/kubernetes/admin.conf");
      await playbook({ ...run, playbook: "force", progress: (line) => said.push(line) });
      await playbook({ ...run, playbook: "reset", progress: (line) => said.push(line) });
      expect(on(first, "ls /etc/kubernetes /var/lib/cnilab 2>&1 || true")).toMatch(/cannot access.*\n.*cannot access/);
      const refused = await playbook({
        ...run,
        sudoPasswords: { "machine-1": `${MARK} wrong` },
        playbook: "reset",
      }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: expect.stringMatching(/^ANSIBLE_/) as unknown });
      expect((refused as Error).message).not.toContain(MARK);
    } finally {
      clearInterval(watch);
      await remote.close();
    }
    expect(said.join("\n")).not.toContain(MARK);
    expect([...new Set(seen)]).toEqual([]);
    for (const name of readdirSync(set.directory)) {
      if (name.endsWith(".yaml")) expect(readFileSync(join(set.directory, name), "utf8")).not.toContain(MARK);
    }
    expect(on(first, `grep -rl ${MARK} /var/log /tmp /home /root /run/log 2> /dev/null || true`)).toBe("");
    expect(on(first, `journalctl --no-pager | grep -c ${MARK} || true`)).toBe("0\n");
  });

  async function runWith(passwords: Record<string, string>): Promise<PlaybookRun> {
    const signal = AbortSignal.timeout(300_000);
    return {
      playbook: "force",
      lab: "rig-sudo",
      machines: [
        {
          node: "machine-1",
          role: "control-plane",
          labels: {},
          taints: [],
          nodeAddress: first.address,
          target: targetOf(first),
        },
      ],
      settings: {
        kubernetesVersion: "1.34.4",
        podCidrs: ["10.244.0.0/16"],
        serviceCidrs: ["10.96.0.0/16"],
        dnsDomain: "lab.test",
        kubeProxyMode: "nftables",
        kubeadmPatches: [],
        bundle: undefined,
      },
      program: await findAnsible({ path: process.env["PATH"], cache: cacheRoot(process.env), signal }),
      sudoPasswords: passwords,
      stateDirectory: set.directory,
      signal,
      progress: () => undefined,
    };
  }
});

/** On this host, which has the machine's processes as well: command lines and environments, but our own. */
function processesWith(text: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((pid) =>
      ["cmdline", "environ"].flatMap((file) => {
        try {
          const content = readFileSync(`/proc/${pid}/${file}`, "utf8");
          return content.includes(text) ? [`${file} of ${content.split("\0").slice(0, 6).join(" ")}`] : [];
        } catch {
          // It has ended, or is somebody else's.
          return [];
        }
      }),
    );
}
