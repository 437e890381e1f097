import { execFileSync } from "node:child_process";

/*
 * All that a machine is, by plain commands, as text by section: what a lab may not leave changed. What a running system changes by
 * itself (logs, counters, process ids, sessions of sshd) is left out.
 */

const SCRIPT = String.raw`
export LC_ALL=C
section() { printf '\036%s\n' "$1"; }
section packages; dpkg -l | tail -n +6
section files
find /etc /opt /usr /root /home -xdev \( -type f -printf '%p %m %u %g %s %T@\n' -o -type l -printf '%p -> %l\n' -o -type d -printf '%p/ %m %u %g\n' \) | sort
section state
find /var /run /tmp -xdev \( -path /var/lib/containerd -o -path /run/containerd -o -path /var/log/journal -o -path /run/log -o -path /run/systemd \
  -o -path /run/udev -o -path /run/user \) -prune -o -printf '%p %y %m %u %g\n' | grep -v -E '^/run/(sudo|utmp|motd)|^/var/lib/sudo|^/var/log/(wtmp|lastlog|btmp)' | sort
section containerd
find /var/lib/containerd -type f | grep -v -E '\.db$|/uuid$' | sort
for n in $(ctr namespaces list -q); do
  echo "namespace $n"
  ctr -n "$n" images list -q; ctr -n "$n" containers list -q; ctr -n "$n" tasks list; ctr -n "$n" content list -q; ctr -n "$n" snapshots list; ctr -n "$n" leases list -q
done
section links; ip -o link | sed 's/^[0-9]*: //; s/ \(qlen\|state\) .*//'; ip -o addr | sed 's/^[0-9]*: //; s/ valid_lft.*//'
section routes; for f in -4 -6; do ip $f -N route show table all | sed 's/ expires.*//'; ip $f rule; done
section iptables
for c in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do echo "$c"; $c-save | grep -v '^#' | sed 's/ \[[0-9:]*\]$//'; done
section nft; nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*//; /^# Warning/d'
section ipset; ipset list -name
section sysctl
sysctl -a 2> /dev/null | grep -E '^(net|vm|kernel)\.' | grep -v -E 'random|ns_last_pid|nf_conntrack_count|pty.nr|drop_caches'
section units
systemctl list-unit-files --no-legend
systemctl list-units --all --no-legend --plain --type=service,socket,mount,slice | grep -v -E 'session|user@|user-|run-user|run-credentials|clean|apt-daily|logrotate|dpkg' | awk '{print $1, $2, $3, $4}' | sort
section mounts; awk '{print $2, $3}' /proc/mounts | grep -v -E '/run/(user|credentials)' | sort
section namespaces; ls /run/netns 2> /dev/null
section cgroups; find /sys/fs/cgroup -maxdepth 3 -type d | grep -v -E 'user\.slice|session|user-' | sort
section processes; ps -eo args= | grep -E 'kube|etcd|flannel|containerd|coredns|pause|cnilab' | grep -v -E 'grep|/bin/bash' | sort
`;

/** By section, lines. */
export function machineFacts(container: string): Record<string, string[]> {
  const text = execFileSync("docker", ["exec", "--interactive", container, "bash", "-s"], {
    input: SCRIPT,
    encoding: "utf8",
    maxBuffer: 64 << 20,
    timeout: 60_000,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const sections = text.split("\u001e").slice(1);
  return Object.fromEntries(sections.map((each) => [each.split("\n")[0] ?? "", each.split("\n").slice(1)]));
}

/** Lines that are not in both, by section: "- gone", "+ came". */
export function factsChanged(before: Record<string, string[]>, after: Record<string, string[]>): string[] {
  return Object.keys(before).flatMap((section) => {
    const [was, is] = [before[section] ?? [], after[section] ?? []];
    const gone = minus(was, is).map((line) => `- ${section}: ${line}`);
    return [...gone, ...minus(is, was).map((line) => `+ ${section}: ${line}`)];
  });
}

function minus(lines: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of others) counts.set(line, (counts.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = counts.get(line) ?? 0;
    counts.set(line, count - 1);
    return count <= 0;
  });
}
