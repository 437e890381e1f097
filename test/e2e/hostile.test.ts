import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab } from "./cnilab.ts";
import { hostState } from "./host-state.ts";
import type { HostState } from "./host-state.ts";

/** Commands of a lab that try to get out; one that ends with 0 did. */
const attacks: Record<string, string> = {
  writeUsr: "echo x > /usr/cnilab-was-here",
  writeEtc: "echo x > /etc/cnilab-was-here",
  writeRoot: "echo x > /cnilab-was-here",
  writeDevShm: "test -w /dev/shm && ls /dev/shm | grep -q cnilab-host",
  readHome: "ls -A $HOSTHOME | grep -q .",
  readRootHome: "ls -A /root | grep -q .",
  readHostTmp: "cat $HOSTTMP/secret",
  readShadow: "cat /etc/shadow",
  corePattern: "echo '|/tmp/x' > /proc/sys/kernel/core_pattern",
  sysctl: "echo 0 > /proc/sys/net/ipv4/ip_forward",
  sysrq: "echo h > /proc/sysrq-trigger",
  mountTmpfs: "mount -t tmpfs none /tmp",
  remountUsr: "mount -o remount,rw /usr",
  mountProc: "mkdir -p /tmp/p && mount -t proc proc /tmp/p",
  userNamespace: "unshare -Urm mount -t tmpfs none /tmp",
  otherNetns: "nsenter --net=/proc/1/ns/net true --target 1",
  seeHostProcesses: "test $(ls -d /proc/[0-9]* | wc -l) -gt 10",
  killAll: "kill -9 -1; sleep 0.1; kill -0 $HOSTPID",
  dockerSocket: "test -S /var/run/docker.sock || test -S /run/docker.sock",
  rawDisk: "head -c1 /dev/vda || head -c1 /dev/sda",
  mknod: "mknod /tmp/null c 1 3",
  addLink: "ip link add type veth",
  loadModule: "modprobe dummy",
  raiseCaps: "setpriv --inh-caps +sys_admin true",
};

describe("a hostile lab", () => {
  let cnilab: Cnilab;
  let before: HostState;
  let folder: string;

  beforeAll(() => {
    cnilab = new Cnilab();
    before = hostState();
    folder = mkdtempSync(join(tmpdir(), "cnilab-hostile-"));
    writeFileSync(join(folder, "secret"), "host secret");
    mkdirSync(join(folder, "manifests"));
    writeFileSync(
      join(folder, "manifests/pod.yaml"),
      [
        "apiVersion: v1",
        "kind: Namespace",
        "metadata: { name: evil }",
        "---",
        "apiVersion: v1",
        "kind: Pod",
        "metadata: { name: evil, namespace: evil }",
        "spec: { containers: [{ name: c, image: 'busybox:1.35', command: [sleep, infinity] }] }",
        "",
      ].join("\n"),
    );
    writeFileSync(
      join(folder, "lab.yaml"),
      JSON.stringify({
        apiVersion: "cnilab.dev/v1alpha1",
        kind: "Lab",
        metadata: { name: "hostile", title: "tries to get out" },
        topology: "one-node",
        cni: "calico",
        scenario: [
          { apply: "manifests/pod.yaml" },
          { wait: { for: "pod/evil", namespace: "evil", condition: "ready", timeout: "30s" } },
          { exec: { in: "evil/pod/evil", command: ["sh", "-c", "true"] } },
        ],
        probes: [],
      }),
    );
  });

  afterAll(async () => {
    await cnilab.run("down", "hostile");
    await cnilab.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(["evil/pod/evil", "node/control-plane"])("gets nowhere from %s", async (source) => {
    const up = await cnilab.run("up", folder);
    expect(up.exitCode === 0 || up.stderr.includes("already"), up.stderr).toBe(true);
    const gotOut: string[] = [];
    for (const [name, command] of Object.entries(attacks)) {
      const filled = command
        .replaceAll("$HOSTHOME", homedir())
        .replaceAll("$HOSTTMP", folder)
        .replaceAll("$HOSTPID", String(process.pid));
      const { exitCode } = await cnilab.run("exec", "hostile", source, "--", "sh", "-c", filled);
      if (exitCode === 0) gotOut.push(name);
    }
    // A node's network is the learner's own to change.
    expect(gotOut).toEqual(source.startsWith("node/") ? ["addLink"] : []);
    for (const path of ["/usr/cnilab-was-here", "/etc/cnilab-was-here", "/cnilab-was-here"])
      expect(existsSync(path)).toBe(false);
    expect(hostState()).toEqual(before);
  });

  test("a command that forks without end and never stops is ended by its time", async () => {
    const startedAt = performance.now();
    const bomb = await cnilab.run(
      "exec",
      "hostile",
      "--timeout",
      "1s",
      "evil/pod/evil",
      "--",
      "sh",
      "-c",
      "while :; do sleep 100 & sleep 0.05; done",
    );
    expect(bomb.exitCode).not.toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect((await cnilab.run("exec", "hostile", "evil/pod/evil", "--", "true")).exitCode).toBe(0);
  });
});
