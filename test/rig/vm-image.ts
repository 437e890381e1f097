import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { PlannedVm } from "../../src/plan/types.ts";
import { rigHome, rigMissing } from "./rig.ts";

/*
 * An image for virtual machines, as clouds have them: the rig's machine with Debian's cloud kernel and cloud-init. No cloud image is
 * in reach, Debian's packages are. It is made once a host, by root, and kept in the user's cache under the digest of what makes it.
 */

const KEPT = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "cnilab", "test-vm-image");

/** Why there is no virtual machine here; undefined where there is one. */
export function vmMissing(): string | undefined {
  if (rigMissing !== undefined) return rigMissing;
  const lacks = ["qemu-system-x86_64", "qemu-img", "mke2fs"].filter(
    (name) => spawnSync(name, ["--version"], { stdio: "ignore" }).error !== undefined,
  );
  if (process.arch !== "x64") return "needs a machine over SSH: virtual machines are made on x86_64 alone";
  if (lacks.length > 0) return `needs a machine over SSH: no virtual machines without ${lacks.join(", ")}`;
  if (!existsSync(rootOfRig())) return `needs a machine over SSH: no virtual machines without ${rootOfRig()}`;
  if (process.getuid?.() !== 0) return "needs a machine over SSH: a virtual machine's image is made by root";
  return undefined;
}

function rootOfRig(): string {
  return join(rigHome, "rootfs-node");
}

/** Of the image's disk; a virtual machine's own is larger. */
const SIZE = "3G";

/** Done in the image's root file system, which then is a machine that starts by itself. */
const PREPARE = String.raw`
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/initramfs-tools/conf.d
printf 'MODULES=list\nCOMPRESS=gzip\n' > /etc/initramfs-tools/conf.d/small.conf
printf 'virtio_pci\nvirtio_blk\next4\n' > /etc/initramfs-tools/modules
apt-get -qq update
apt-get -qq install -y --no-install-recommends -o Dpkg::Options::=--force-confold linux-image-cloud-amd64 busybox udev cloud-init nftables bubblewrap
apt-get -qq clean
rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
systemctl --quiet enable ssh containerd systemd-networkd
systemctl --quiet disable bird bird6 e2scrub_reap.service
systemctl --quiet mask getty.target
# What a machine of a lab needs of cloud-init: the rest is Python that is emulated.
cat > /etc/cloud/cloud.cfg.d/99-small.cfg <<'CFG'
locale: C.UTF-8
datasource_list: [NoCloud, None]
cloud_init_modules: [growpart, resizefs, set_hostname, update_hostname, update_etc_hosts, users-groups, ssh]
cloud_config_modules: []
cloud_final_modules: []
CFG
`;

/** The image with its kernel; made where it is not kept. Takes a minute then. */
export function vmImage(): Pick<PlannedVm, "image" | "kernel" | "initrd" | "append"> {
  const stamp = readFileSync(join(rigHome, "stamps", "rootfs"));
  const digest = createHash("sha256").update(PREPARE).update(SIZE).update(stamp).digest("hex").slice(0, 16);
  const folder = join(KEPT, digest);
  if (!existsSync(folder)) make(folder);
  return {
    image: join(folder, "disk.qcow2"),
    kernel: join(folder, "vmlinuz"),
    initrd: join(folder, "initrd"),
    append: "root=/dev/vda rw console=ttyS0 quiet",
  };
}

function make(folder: string): void {
  mkdirSync(KEPT, { recursive: true });
  const work = mkdtempSync(join(KEPT, "making-"));
  const root = join(work, "root");
  const run = (program: string, ...args: string[]): void => {
    execFileSync(program, args, { stdio: ["ignore", "pipe", "pipe"], timeout: 500_000 });
  };
  try {
    run("cp", "--archive", rootOfRig(), root);
    run("cp", "--dereference", "/etc/resolv.conf", join(root, "etc", "resolv.conf"));
    run("mount", "-t", "proc", "proc", join(root, "proc"));
    try {
      run("chroot", root, "sh", "-ec", PREPARE);
    } finally {
      run("umount", join(root, "proc"));
    }
    const boot = readdirSync(join(root, "boot"));
    for (const [prefix, name] of [["vmlinuz-", "vmlinuz"] as const, ["initrd.img-", "initrd"] as const]) {
      const found = boot.find((each) => each.startsWith(prefix));
      if (found === undefined) throw new Error(`the image has no ${prefix}`);
      run("cp", join(root, "boot", found), join(work, name));
    }
    run("mke2fs", "-q", "-t", "ext4", "-d", root, join(work, "disk.raw"), SIZE);
    run("qemu-img", "convert", "-O", "qcow2", join(work, "disk.raw"), join(work, "disk.qcow2"));
    for (const name of [root, join(work, "disk.raw")]) rmSync(name, { recursive: true, force: true });
    // What an earlier recipe made.
    for (const name of readdirSync(KEPT)) {
      if (!name.startsWith("making-")) rmSync(join(KEPT, name), { recursive: true, force: true });
    }
    renameSync(work, folder);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    throw error;
  }
}
