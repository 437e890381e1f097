import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findAnsible } from "../../src/providers/ssh/ansible/find-ansible.ts";
import { playbook, type PlaybookRun } from "../../src/providers/ssh/ansible/playbook.ts";
import type { InventoryMachine } from "../../src/providers/ssh/types.ts";
import { cacheRoot } from "../../src/supplies/cache-root.ts";
import { factsChanged, machineFacts } from "./machine-facts.ts";
import { type RigMachine, type RigMachines, startMachines } from "./machines.ts";
import { onRig, rigHome, rigMissing } from "./rig.ts";

const FLANNEL = ["ghcr.io/flannel-io/flannel:v0.28.4", "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel1"];
const EVERYWHERE = [
  "registry.k8s.io/kube-proxy:v1.34.4",
  "registry.k8s.io/pause:3.10.1",
  "registry.k8s.io/coredns/coredns:v1.12.1",
];
const CONTROL_PLANE = ["apiserver", "controller-manager", "scheduler"]
  .map((name) => `registry.k8s.io/kube-${name}:v1.34.4`)
  .concat("registry.k8s.io/etcd:3.6.5-0");

const ansibleMissing = process.env["CNILAB_ANSIBLE_MISSING"];
const reason = ansibleMissing === undefined || ansibleMissing === "" ? undefined : `needs Ansible: ${ansibleMissing}`;
const isLong = process.env["CNILAB_LONG_LANES"] !== undefined;

onRig(rigMissing ?? reason)("machines become a cluster by Ansible, and are given back", () => {
  let set: RigMachines;
  let run: PlaybookRun;
  let before: Record<string, string[]>[];
  const signal = AbortSignal.timeout(600_000);

  beforeAll(async () => {
    const program = await findAnsible({ path: process.env["PATH"], cache: cacheRoot(process.env), signal });
    set = startMachines(3);
    // A container and an image of somebody else's, which have to survive.
    const image = execFileSync("docker", ["save", "registry.k8s.io/pause:3.10.1"], { maxBuffer: 64 << 20 });
    execFileSync("docker", ["exec", "--interactive", machine(0).container, "bash", "-ec", OTHERS], { input: image });
    before = set.machines.map(({ container }) => machineFacts(container));
    run = {
      playbook: "site",
      lab: "rig-test",
      machines: set.machines.map((each, index) => inventoryMachine(each, index === 0)),
      settings: {
        kubernetesVersion: "1.34.4",
        podCidrs: ["10.244.0.0/16"],
        serviceCidrs: ["10.96.0.0/16"],
        dnsDomain: "lab.test",
        kubeProxyMode: "nftables",
        kubeadmPatches: ["kind: KubeletConfiguration\nmaxPods: 42\n"],
        bundle: makeBundle(join(set.directory, "bundle"), [...EVERYWHERE, ...FLANNEL]),
      },
      program,
      stateDirectory: set.directory,
      signal,
      progress: () => undefined,
    };
  });

  afterAll(() => set.remove());

  // Machines that become a lab's cluster, and are given back as they were, are in ssh-provider.test.ts, in every build.
  test("three bare machines are nodes, with a CNI they are ready, and a second run changes nothing", async (context) => {
    if (!isLong) context.skip("too long for CI: npm run test:machines");
    const steps: string[] = [];
    const started = performance.now();
    await playbook({ ...run, progress: (step) => steps.push(step) });
    console.log(`bare machines to joined nodes: ${((performance.now() - started) / 1000).toFixed(1)} s`);
    expect(steps).toContain("Make the control plane");

    const nodes = kubectl(
      "get",
      "nodes",
      "-o",
      "jsonpath={range .items[*]}{.metadata.name} {.status.capacity.pods} {end}",
    );
    expect(nodes.trim()).toBe("machine-1 42 machine-2 42 machine-3 42");
    expect(kubectl("get", "node", "machine-2", "-o", "jsonpath={.metadata.labels.disk}")).toBe("ssd");
    expect(kubectl("get", "node", "machine-3", "-o", "jsonpath={.spec.taints[*].key}")).toContain("lab/own");

    kubectlIn(readFileSync(join(rigHome, "manifests", "flannel.yaml")), "apply", "-f", "-");
    kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=90s");

    const second = await playbook(run);
    expect(Object.values(second).map(({ changed }) => changed)).toEqual([0, 0, 0]);
  });

  test("reset gives back all that was there, leaves what is others', and has nothing to do a second time", async (context) => {
    if (!isLong) context.skip("too long for CI: npm run test:machines");
    await playbook({ ...run, playbook: "reset" });
    expectGivenBack();
    expect(docker("exec", machine(0).container, "ctr", "-n", "others", "tasks", "list")).toMatch(/somebody .*RUNNING/);
    const second = await playbook({ ...run, playbook: "reset" });
    expect(Object.values(second).map(({ changed }) => changed)).toEqual([0, 0, 0]);
  });

  test("an end in the middle of making the control plane leaves nothing running here, and reset gives back", async (context) => {
    // A killed run of the whole provider is in ssh-provider.test.ts.
    if (!isLong) context.skip("too long for CI: npm run test:machines");
    const abort = new AbortController();
    const alone = {
      ...run,
      machines: run.machines.slice(0, 1),
      settings: { ...run.settings, bundle: makeBundle(join(set.directory, "small"), EVERYWHERE) },
    };
    const steps: string[] = [];
    const going = playbook({ ...alone, signal: abort.signal, progress: (step) => steps.push(step) });
    going.catch(() => undefined);
    await expect.poll(() => steps, { timeout: 180_000 }).toContain("Make the control plane");
    await expect.poll(() => running(machine(0), "kubelet"), { timeout: 60_000 }).toBe(true);
    abort.abort(new Error("enough"));
    await expect(going).rejects.toThrow("enough");
    // ssh's own processes have the machine's key on their command line.
    expect(spawnSync("pgrep", ["-f", machine(0).keyFile], { encoding: "utf8" }).stdout).toBe("");

    await playbook({ ...alone, playbook: "reset" });
    expectGivenBack();
  });

  test("what fails is told with the machine and the task; text that looks like a template ran nothing on the way", async () => {
    const trap = join(set.directory, "trap");
    const evil = `{{ lookup('ansible.builtin.pipe', 'touch ${trap}') }}`;
    const [first] = run.machines;
    if (first === undefined) throw new Error("no machine");
    const machines = [{ ...first, labels: { evil }, taints: [{ key: evil, effect: evil }] }];
    const settings = {
      ...run.settings,
      bundle: makeBundle(join(set.directory, "none"), []),
      dnsDomain: evil,
      kubeadmPatches: [`kind: ClusterConfiguration\nclusterName: "${evil}"\n`],
    };
    // kubeadm gets these texts as they are, and refuses them.
    await expect(playbook({ ...run, machines, settings })).rejects.toMatchObject({
      code: "ANSIBLE_FAILED",
      message: expect.stringMatching(/^machine-1, Make the control plane: kubeadm init/) as string,
    });
    expect(spawnSync("test", ["-e", trap]).status).toBe(1);
    expect(statSync(join(set.directory, "inventory.yaml")).mode & 0o777).toBe(0o600);
    await playbook({ ...run, machines: [first], playbook: "reset" });
    expectGivenBack();
  });

  test("a machine that does not answer is told as such", async () => {
    const [first, second] = run.machines;
    if (first === undefined || second === undefined) throw new Error("no machines");
    const away = { ...second, target: { ...second.target, port: 2 } };
    await expect(playbook({ ...run, machines: [first, away] })).rejects.toMatchObject({
      code: "ANSIBLE_UNREACHABLE",
      message: expect.stringContaining("machine-2") as string,
    });
    await playbook({ ...run, machines: [first], playbook: "reset" });
    expectGivenBack();
  });

  function machine(index: number): RigMachine {
    const found = set.machines[index];
    if (found === undefined) throw new Error(`no machine ${index}`);
    return found;
  }

  function expectGivenBack(): void {
    const changes = set.machines.map(({ container }, index) =>
      factsChanged(before[index] ?? {}, machineFacts(container)),
    );
    expect(changes).toEqual([[], [], []]);
  }

  function kubectl(...args: string[]): string {
    return kubectlIn(undefined, ...args);
  }

  function kubectlIn(input: Buffer | undefined, ...args: string[]): string {
    const argv = [
      "exec",
      "--interactive",
      machine(0).container,
      "kubectl",
      "--kubeconfig",
      "/etc/kubernetes/admin.conf",
    ];
    return execFileSync("docker", [...argv, ...args], { encoding: "utf8", input: input ?? "", timeout: 120_000 });
  }
});

/** A namespace of containerd, with a container that runs, and an image of Kubernetes' namespace that a lab brings, too. */
const OTHERS = `
cat > /root/image.tar
ctr -n others images import /root/image.tar > /dev/null; ctr -n k8s.io images import /root/image.tar > /dev/null; rm /root/image.tar
ctr -n others run --detach registry.k8s.io/pause:3.10.1 somebody
# systemd hears of a mount a moment after it was made.
timeout 30 sh -c 'until systemctl is-active --quiet run-containerd-io.containerd.runtime.v2.task-others-somebody-rootfs.mount; do sleep 0.1; done'
`;

function inventoryMachine(rig: RigMachine, isControlPlane: boolean): InventoryMachine {
  const { name, address, user, keyFile, knownHostsFile } = rig;
  return {
    node: name,
    role: isControlPlane ? "control-plane" : "worker",
    labels: name === "machine-2" ? { disk: "ssd" } : {},
    taints: name === "machine-3" ? [{ key: "lab/own", value: "a", effect: "PreferNoSchedule" }] : [],
    nodeAddress: address,
    target: { name, host: address, user, identityFile: keyFile, knownHostsFile, configFile: "/dev/null" },
  };
}

/** As docs/ansible.md has it, without CNI plugins, which the rig's machines have; `images` may be left out where none is needed. */
function makeBundle(bundle: string, images: readonly string[]): string {
  mkdirSync(join(bundle, "images", "control-plane"), { recursive: true });
  symlinkSync(join(rigHome, "bin"), join(bundle, "bin"));
  if (images.length === 0) return bundle;
  docker("save", "--output", join(bundle, "images", "node.tar"), ...images);
  docker("save", "--output", join(bundle, "images", "control-plane", "images.tar"), ...CONTROL_PLANE);
  return bundle;
}

function running({ container }: RigMachine, program: string): boolean {
  return spawnSync("docker", ["exec", container, "pgrep", "-x", program]).status === 0;
}

function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", timeout: 120_000 });
}
