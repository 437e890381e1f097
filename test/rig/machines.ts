import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/*
 * Machines to reach over SSH: the rig's machine image, which runs systemd, sshd, sudo, Python and containerd, and nothing of
 * Kubernetes. Each set has a Docker network, keys and a known_hosts file of its own, so that tests can run beside each other.
 */

export interface RigMachine {
  name: string;
  container: string;
  address: string;
  /** May sudo without a password. */
  user: string;
  keyFile: string;
  knownHostsFile: string;
}

export interface RigMachines {
  machines: readonly RigMachine[];
  /** Keys, known_hosts and room for what a test writes. */
  directory: string;
  remove(): void;
}

const IMAGE = "rig/machine:1";

/** Starts `count` machines; sshd listens on each when it returns. */
export function startMachines(count: number): RigMachines {
  const set = `cnilab-machines-${randomBytes(4).toString("hex")}`;
  const directory = mkdtempSync(join(tmpdir(), `${set}-`));
  const remove = (): void => {
    const ids = docker("ps", "--all", "--quiet", "--filter", `label=${set}`).split("\n").filter(Boolean);
    if (ids.length > 0) docker("rm", "--force", "--volumes", ...ids);
    if (docker("network", "ls", "--quiet", "--filter", `name=${set}`) !== "") docker("network", "rm", set);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const keyFile = join(directory, "id_ed25519");
    const knownHostsFile = join(directory, "known_hosts");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", keyFile]);
    createNetwork(set);
    const started = Array.from({ length: count }, (_, index) => `machine-${index + 1}`).map((name) => ({
      name,
      container: startMachine(set, name),
    }));
    const known: string[] = [];
    const machines = started.map(({ name, container }): RigMachine => {
      docker("exec", container, "bash", "-ec", PREPARE, "-", `${keyOf(keyFile)}`);
      const address = docker(
        "inspect",
        "--format",
        `{{(index .NetworkSettings.Networks "${set}").IPAddress}}`,
        container,
      );
      const keys = docker("exec", container, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub").split("\n");
      known.push(...keys.map((key) => `${address} ${key.split(" ").slice(0, 2).join(" ")}`));
      return { name, container, address, user: "lab", keyFile, knownHostsFile };
    });
    writeFileSync(knownHostsFile, `${known.join("\n")}\n`);
    return { machines, directory, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Docker's own pools overlap the pod network of Calico, and those of other labs. */
function createNetwork(name: string): void {
  const tries = 5;
  for (let left = tries; ; left--) {
    try {
      docker("network", "create", "--subnet", `10.178.${randomBytes(1)[0]}.0/24`, name);
      return;
    } catch (error) {
      if (left === 1 || !/overlap/i.test(String(error))) throw error;
    }
  }
}

/** As kind starts its nodes: systemd needs its own mounts, kubelets a real file system under /var. */
function startMachine(set: string, name: string): string {
  const options = ["--privileged", "--cgroupns", "private", "--tmpfs", "/tmp", "--tmpfs", "/run", "--volume", "/var"];
  const security = ["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"];
  const modules = ["--volume", "/lib/modules:/lib/modules:ro"];
  const identity = ["--name", `${set}-${name}`, "--hostname", name, "--network", set, "--label", set];
  return docker("run", "--detach", ...options, ...security, ...modules, ...identity, IMAGE);
}

/**
 * Host keys of its own, the user's key, then waits until sshd listens. Keys are put in place whole: systemd starts sshd meanwhile, and
 * gives it up after a few times without any. What apt does by the clock would be told as a change of the machine.
 */
const PREPARE = `
install -d /run/new-keys/etc/ssh; ssh-keygen -A -f /run/new-keys > /dev/null; mv -f /run/new-keys/etc/ssh/* /etc/ssh; rm -r /run/new-keys
install -d -m 700 -o lab -g lab /home/lab/.ssh
install -m 600 -o lab -g lab /dev/null /home/lab/.ssh/authorized_keys
echo "$1" > /home/lab/.ssh/authorized_keys
for _ in $(seq 600); do
  if exec 3<>/dev/tcp/127.0.0.1/22; then read -r -t 5 banner <&3 && [[ $banner == SSH-* ]] && break; fi
  sleep 0.1
done 2> /dev/null
[[ \${banner:-} == SSH-* ]] || { echo "sshd does not listen" >&2; exit 1; }
systemctl --quiet mask --now apt-daily.timer apt-daily-upgrade.timer`;

function keyOf(keyFile: string): string {
  return execFileSync("ssh-keygen", ["-y", "-f", keyFile], { encoding: "utf8" }).trim();
}

function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", timeout: 120_000 }).trim();
}
