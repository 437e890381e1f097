import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRemotes } from "../../src/exec/ssh/remote.ts";
import type { Remote } from "../../src/exec/ssh/types.ts";
import { findAnsible } from "../../src/providers/ssh/ansible/find-ansible.ts";
import { playbook, type PlaybookRun } from "../../src/providers/ssh/ansible/playbook.ts";
import { deathOf } from "../../src/providers/ssh/dead-lease.ts";
import { acquireLeases, newLeaseOwner, releaseLeases, type LeaseOwner } from "../../src/providers/ssh/lease.ts";
import { preflightMachines, type PreflightMachine } from "../../src/providers/ssh/preflight/preflight.ts";
import type { PreflightNeeds } from "../../src/providers/ssh/preflight/needs.ts";
import { takeAway } from "../../src/providers/ssh/take-away.ts";
import { cacheRoot } from "../../src/supplies/cache-root.ts";
import { factsChanged, machineFacts } from "./machine-facts.ts";
import { type RigMachines, startMachines } from "./machines.ts";
import { onRig, rigHome, rigMissing } from "./rig.ts";
import { on, targetOf } from "./ssh-machines.ts";

const IMAGES = [
  ...["kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler"].map(
    (name) => `registry.k8s.io/${name}:v1.34.4`,
  ),
  "registry.k8s.io/pause:3.10.1",
  "registry.k8s.io/coredns/coredns:v1.12.1",
  "registry.k8s.io/etcd:3.6.5-0",
  "ghcr.io/flannel-io/flannel:v0.28.4",
  "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel1",
];

const ansibleMissing = process.env["CNILAB_ANSIBLE_MISSING"];
const reason = ansibleMissing === undefined || ansibleMissing === "" ? undefined : `needs Ansible: ${ansibleMissing}`;

// Clusters made and destroyed one after another take longer than CI has.
const isLong = process.env["CNILAB_LONG_LANES"] === undefined ? "too long for CI: npm run test:machines" : undefined;

onRig(rigMissing ?? reason ?? isLong)("--force on machines", () => {
  let set: RigMachines;
  let machines: (PreflightMachine & { role: "control-plane" | "worker"; remote: Remote })[] = [];
  let run: PlaybookRun;
  let us: LeaseOwner;
  let bare: Record<string, string[]>[];
  const signal = AbortSignal.timeout(900_000);

  beforeAll(async () => {
    const program = await findAnsible({ path: process.env["PATH"], cache: cacheRoot(process.env), signal });
    set = startMachines(2);
    const targets = set.machines.map((machine) => targetOf(machine));
    const remotes = await openRemotes(targets, { signal });
    machines = set.machines.map(({ name, address }, index) => ({
      name,
      address,
      role: index === 0 ? "control-plane" : "worker",
      remote: remotes[index] as Remote,
    }));
    // Our own processes of the connection are there before and after.
    await Promise.all(remotes.map((remote) => remote.must("true", [], { sudo: true })));
    bare = facts();
    us = newLeaseOwner("ours", join(set.directory, "labs", "ours"));
    const bundle = join(set.directory, "bundle");
    mkdirSync(join(bundle, "images"), { recursive: true });
    symlinkSync(join(rigHome, "bin"), join(bundle, "bin"));
    execFileSync("docker", ["save", "--output", join(bundle, "images", "all.tar"), ...IMAGES]);
    run = {
      playbook: "site",
      lab: "theirs",
      machines: machines.map(({ name, address, role }, index) => ({
        node: name,
        role,
        labels: {},
        taints: [],
        nodeAddress: address,
        target: targets[index] as (typeof targets)[number],
      })),
      settings: {
        kubernetesVersion: "1.34.4",
        podCidrs: ["10.244.0.0/16"],
        serviceCidrs: ["10.96.0.0/16"],
        dnsDomain: "lab.test",
        kubeProxyMode: "iptables",
        kubeadmPatches: [],
        bundle,
      },
      program,
      stateDirectory: set.directory,
      signal,
      progress: () => undefined,
    };
  });

  afterAll(async () => {
    await Promise.all(machines.map(({ remote }) => remote.close()));
    set.remove();
  });

  test("a lab that is dead is given back by its journal, and one that may live is not touched", async () => {
    await playbook(run);
    const theirs = newLeaseOwner("theirs", join(set.directory, "labs", "theirs"));
    const elsewhere = { ...theirs, owner: "bob@desk" };
    await acquireLeases(machines, elsewhere, { phase: "up", signal });
    const forced = await preflightMachines(machines, needs("before"), signal);
    expect(forced.filter(({ ok }) => !ok).map(({ code }) => code)).toEqual(["LEASE_HELD", "LEASE_HELD"]);
    await expect(acquireLeases(machines, us, { phase: "install", isDead, signal })).rejects.toMatchObject({
      code: "LEASE_HELD",
    });
    expect(on(at(0).rig, "pgrep -xc kube-apiserver")).toBe("1\n");
    await releaseLeases(machines, elsewhere);

    await acquireLeases(machines, theirs, { phase: "up", signal });
    expect((await preflightMachines(machines, needs("before"), signal)).filter(({ ok }) => !ok)).toEqual([]);
    await acquireLeases(machines, us, { phase: "install", isDead, signal });
    const told = await force();
    expect(told.get("machine-1")).toEqual([
      "all that lab theirs has changed there, by its journal in /var/lib/cnilab/theirs",
    ]);
    expect((await preflightMachines(machines, needs("after"), signal)).filter(({ ok }) => !ok)).toEqual([]);
    await releaseLeases(machines, us);
    expect(changes()).toEqual([[], []]);
  });

  test("kubeadm's cluster goes with all that was told; what else is there stays, and a lab finds the machines fit", async () => {
    await playbook(run);
    const manifest = readFileSync(join(rigHome, "manifests", "flannel.yaml"));
    kubectl(manifest, "apply", "-f", "-");
    kubectl("", "wait", "node", "--all", "--for=condition=Ready", "--timeout=90s");
    // Nobody knows any more who made it.
    for (const { rig } of [at(0), at(1)]) on(rig, "rm -rf /var/lib/cnilab; echo own > /etc/cni/net.d/README");

    const refused = await preflightMachines(machines, needs(undefined), signal);
    expect(refused.filter(({ ok }) => !ok).map(({ code }) => code)).toEqual(
      expect.arrayContaining(["MACHINE_HAS_CLUSTER", "MACHINE_PORT_TAKEN", "MACHINE_CONTAINERS"]),
    );
    expect((await preflightMachines(machines, needs("before"), signal)).filter(({ ok }) => !ok)).toEqual([]);
    await acquireLeases(machines, us, { phase: "install", signal });
    const told = await force();
    const list = (told.get("machine-1") ?? []).join("\n");
    for (const line of [
      "service kubelet",
      "containers",
      "/etc/kubernetes",
      "/var/lib/etcd",
      "/etc/cni/net.d/10-flannel.conflist",
      "flannel.1",
      "iptables",
    ]) {
      expect(list).toContain(line);
    }
    expect((await preflightMachines(machines, needs("after"), signal)).filter(({ ok }) => !ok)).toEqual([]);
    // kubeadm, its units and images were not told, and are somebody's.
    expect(
      on(
        at(0).rig,
        "cat /etc/cni/net.d/README; ls /etc/cni/net.d /usr/local/bin/kubeadm /etc/systemd/system/kubelet.service",
      ),
    ).toBe("own\n/etc/systemd/system/kubelet.service\n/usr/local/bin/kubeadm\n\n/etc/cni/net.d:\nREADME\n");
    expect(on(at(0).rig, "ctr -n k8s.io images list -q | grep -c kube-apiserver")).not.toBe("0\n");
    expect(on(at(0).rig, "systemctl is-enabled kubelet || true")).toBe("disabled\n");
    expect(await force()).toEqual(new Map());

    // A lab on them leaves them as they are now.
    const emptied = facts();
    await playbook({ ...run, lab: "ours" });
    kubectl("", "get", "nodes");
    await playbook({ ...run, lab: "ours", playbook: "reset" });
    expect(facts().map((now, index) => factsChanged(emptied[index] ?? {}, now))).toEqual([[], []]);
    await releaseLeases(machines, us);
    for (const { rig } of [at(0), at(1)])
      expect(on(rig, "ls -A /var/lib/cnilab 2>&1 || true")).toContain("No such file");
  });

  test("a cluster that nobody here knows how to take away stays", async () => {
    on(at(1).rig, "mkdir -p /var/lib/rancher/k3s /etc/kubernetes; echo x > /etc/kubernetes/admin.conf");
    const [finding] = (await preflightMachines(machines, needs("before"), signal)).filter(({ ok }) => !ok);
    expect(finding).toMatchObject({ code: "MACHINE_HAS_CLUSTER" });
    expect(finding?.message).toMatch(/^machine-2: .*does not know how to take away: \/var\/lib\/rancher\/k3s$/);
    await expect(force()).rejects.toMatchObject({ code: "ANSIBLE_FAILED" });
    expect(on(at(1).rig, "cat /etc/kubernetes/admin.conf")).toBe("x\n");
  });

  function isDead(state: Parameters<typeof deathOf>[0]): boolean {
    return deathOf(state, us) !== undefined;
  }

  async function force(): Promise<Map<string, string[]>> {
    const told = new Map<string, string[]>();
    const { playbook: _, ...options } = run;
    await takeAway(machines, {
      ...options,
      lab: "ours",
      tell: async (machine, goes) => {
        told.set(machine, [...(told.get(machine) ?? []), ...goes]);
        await Promise.resolve();
      },
    });
    return told;
  }

  function at(index: number): { rig: RigMachines["machines"][number] } {
    const rig = set.machines[index];
    if (rig === undefined) throw new Error(`no machine ${index}`);
    return { rig };
  }

  function facts(): Record<string, string[]>[] {
    return set.machines.map(({ container }) => machineFacts(container));
  }

  function changes(): string[][] {
    return facts().map((now, index) => factsChanged(bare[index] ?? {}, now));
  }

  function kubectl(input: Buffer | string, ...args: string[]): string {
    const argv = ["exec", "-i", at(0).rig.container, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", ...args];
    return execFileSync("docker", argv, { encoding: "utf8", input, timeout: 120_000 });
  }

  function needs(force: PreflightNeeds["force"]): PreflightNeeds {
    return {
      cni: "flannel in mode vxlan",
      cniPage: "docs/cnis/flannel.md",
      kernel: ["vxlan"],
      shapers: [],
      ports: [{ protocol: "udp", port: 8472, what: "VXLAN" }],
      packetBytes: 1450,
      podBytes: 1400,
      kubernetes: [1, 34],
      owner: us,
      ...(force === undefined ? {} : { force, deathOf: (state) => deathOf(state, us) }),
    };
  }
});
