"""Takes this machine's footprint: what a lab could leave on it. Changes nothing.

Python 3.6 or later, root. One JSON object on standard output: files
as "PATH" -> what they are, and what tools print as it is; src/providers/ssh/footprint/ reads it. What is declared there as
changing by itself is left out there, not here, but for trees that nobody could keep.
"""

import glob
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import threading

ENVIRONMENT = dict(os.environ, LC_ALL="C", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
OUTPUT_LIMIT = 4 << 20
DIGEST_LIMIT = 1 << 20
ENTRIES_A_TREE = 20000
ENTRIES_A_FOLDER = 3000

# (folder, how deep, what is told of a file: its content or that it is there)
TREES = (
    ("/etc", 12, "content"),
    ("/opt", 4, "name"),
    ("/usr/local", 5, "name"),
    ("/usr/bin", 1, "name"),
    ("/usr/sbin", 1, "name"),
    ("/usr/lib/systemd/system", 2, "name"),
    ("/usr/libexec/kubernetes", 4, "name"),
    ("/usr/share/keyrings", 1, "name"),
    ("/usr/lib/modules-load.d", 1, "name"),
    ("/usr/lib/sysctl.d", 1, "name"),
    ("/var/lib", 2, "name"),
    ("/var/log", 1, "folder"),
    ("/run", 1, "folder"),
    ("/root", 1, "name"),
)

TOOLS = {
    "dpkg": ["dpkg-query", "--show", "--showformat", "${Package}:${Architecture} ${Version} ${db:Status-Abbrev}\\n"],
    "rpm": ["rpm", "--query", "--all", "--queryformat", "%{NAME}.%{ARCH} %{VERSION}-%{RELEASE}\\n"],
    "unit-files": ["systemctl", "list-unit-files", "--no-legend", "--no-pager", "--plain", "--full"],
    "units": ["systemctl", "list-units", "--no-legend", "--no-pager", "--plain", "--full", "--type=service,socket,timer"],
    "addresses": ["ip", "-j", "addr"],
    "links": ["ip", "-j", "-d", "link"],
    "route4": ["ip", "-4", "route", "show", "table", "all"],
    "route6": ["ip", "-6", "route", "show", "table", "all"],
    "rule4": ["ip", "-4", "rule"],
    "rule6": ["ip", "-6", "rule"],
    "xfrm-state": ["ip", "xfrm", "state", "list", "nokeys"],
    "xfrm-policy": ["ip", "xfrm", "policy"],
    "qdisc": ["tc", "qdisc", "show"],
    "nft": ["nft", "--stateless", "list", "ruleset"],
    "iptables-nft": ["iptables-nft-save"],
    "ip6tables-nft": ["ip6tables-nft-save"],
    "iptables-legacy": ["iptables-legacy-save"],
    "ip6tables-legacy": ["ip6tables-legacy-save"],
    "ipset": ["ipset", "save"],
}

SYSCTLS = (
    "/proc/sys/net",
    "/proc/sys/vm",
    "/proc/sys/fs/inotify",
    "/proc/sys/kernel/panic",
    "/proc/sys/kernel/panic_on_oops",
    "/proc/sys/kernel/keys",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/kernel/threads-max",
    "/proc/sys/fs/file-max",
    "/proc/sys/fs/may_detach_mounts",
)


def command(argv, timeout=20):
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, env=ENVIRONMENT
        )
    except subprocess.TimeoutExpired:
        return {"problem": "no answer in %d s" % timeout, "output": ""}
    problem = None if done.returncode == 0 else done.stderr.decode(errors="replace").strip()[:400] or "it failed"
    output = done.stdout.decode(errors="replace")
    if len(output) > OUTPUT_LIMIT:
        return {"problem": "it printed more than %d bytes" % OUTPUT_LIMIT, "output": ""}
    return {"problem": problem, "output": output}


def tool(argv):
    """Undefined for the other side where there is no such program: then it made nothing either."""
    return command(argv) if shutil.which(argv[0], path=ENVIRONMENT["PATH"]) else None


def described(path, how):
    state = os.lstat(path)
    if stat.S_ISDIR(state.st_mode):
        return "folder" if how != "content" else "folder %o %d:%d" % (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid)
    if how == "name":
        return "file"
    if stat.S_ISLNK(state.st_mode):
        return "link to " + os.readlink(path)
    text = "file %o %d:%d %d bytes" % (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid, state.st_size)
    if not stat.S_ISREG(state.st_mode) or state.st_size > DIGEST_LIMIT:
        return text
    with open(path, "rb") as file:
        return "%s, %s" % (text, hashlib.sha256(file.read()).hexdigest()[:16])


def tree(root, depth, how):
    found, problem = {}, None

    def walk(folder, left):
        nonlocal problem
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            return
        if len(names) > ENTRIES_A_FOLDER or len(found) + len(names) > ENTRIES_A_TREE:
            problem = "%s has too many entries to be compared" % folder
            return
        for name in names:
            path = os.path.join(folder, name)
            try:
                what = described(path, how)
            except FileNotFoundError:
                continue
            isFolder = what.startswith("folder")
            if isFolder or how != "folder":
                found[path.encode(errors="surrogateescape").decode(errors="replace")] = what
            if isFolder and left > 1 and not os.path.ismount(path):
                walk(path, left - 1)

    # /bin and /sbin are links to these where they are not folders of their own.
    if os.path.isdir(root):
        walk(os.path.realpath(root), depth)
    return {"problem": problem, "entries": found}


def boot():
    """Another one after each start: a container's kernel stays the same, but not its first process."""
    started = lines("/proc/1/stat")[0].rpartition(")")[2].split()[19]
    return lines("/proc/sys/kernel/random/boot_id")[0] + " " + started


def sysctls():
    found = {}

    def read(path):
        if path.endswith(("/tcp_fastopen_key", "/stable_secret")):
            return
        try:
            with open(path) as file:
                found[path[len("/proc/sys/") :]] = " ".join(file.read().split())[:500]
        except (OSError, UnicodeDecodeError):
            # Only to be written to, or without a value now.
            pass

    for root in SYSCTLS:
        if os.path.isfile(root):
            read(root)
        for folder, _, names in os.walk(root):
            for name in names:
                read(os.path.join(folder, name))
    return found


def mounts():
    found = []
    with open("/proc/1/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            found.append("%s %s %s" % (before.split()[4], after.split()[0], after.split()[1]))
    return found


def cgroups():
    found = set()
    for folder in glob.glob("/sys/fs/cgroup/*/") + glob.glob("/sys/fs/cgroup/*/*/"):
        found.add(folder[len("/sys/fs/cgroup/") : -1])
    for folder in glob.glob("/sys/fs/cgroup/*/*/*/"):
        found.add(folder[len("/sys/fs/cgroup/") : -1])
    return sorted(found)[:5000]


def lines(path):
    try:
        with open(path, errors="replace") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def listening():
    found, inodes = set(), {}
    for protocol, name, state in (("tcp", "tcp", "0A"), ("tcp", "tcp6", "0A"), ("udp", "udp", "07"), ("udp", "udp6", "07")):
        for line in lines("/proc/net/" + name)[1:]:
            field = line.split()
            if field[3] == state:
                inodes[field[9]] = (protocol, int(field[1].split(":")[1], 16))
    for process in glob.glob("/proc/[0-9]*"):
        try:
            for number in os.listdir(process + "/fd"):
                target = os.readlink(process + "/fd/" + number)
                if target.startswith("socket:["):
                    here = inodes.pop(target[8:-1], None)
                    if here is not None:
                        found.add((here, lines(process + "/comm")[0]))
        except (OSError, IndexError):
            continue
    found.update((here, "the kernel") for here in inodes.values())
    return [[protocol, port, holder] for (protocol, port), holder in sorted(found)]


def containerd():
    if not (os.path.exists("/run/containerd/containerd.sock") and shutil.which("ctr", path=ENVIRONMENT["PATH"])):
        return None
    ctr = ["ctr", "--timeout", "5s"]
    listed = command(ctr + ["namespaces", "list", "--quiet"])
    found = []
    for namespace in listed["output"].split()[:50]:
        found.append("namespace " + namespace)
        for what in ("images", "containers"):
            one = command(ctr + ["--namespace", namespace, what, "list", "--quiet"])
            found.extend("%s %s %s" % (namespace, what[:-1], name) for name in one["output"].split()[:1000])
    return {"problem": listed["problem"], "output": "\n".join(found)}


def main():
    tools = {}

    def ask(name, argv):
        tools[name] = tool(argv)

    def ask_containerd():
        tools["containerd"] = containerd()

    threads = [threading.Thread(target=ask, args=each) for each in TOOLS.items()] + [threading.Thread(target=ask_containerd)]
    for thread in threads:
        thread.start()
    home = REQUEST.get("home")  # noqa: F821 - put before this file by who sends it
    trees = TREES + (((home, 1, "name"),) if home and home != "/root" else ())
    facts = {
        "boot": boot(),
        "trees": {root: tree(root, depth, how) for root, depth, how in trees},
        "sysctls": sysctls(),
        "mounts": mounts(),
        "cgroups": cgroups(),
        "modules": [line.split()[0] for line in lines("/proc/modules")],
        "users": lines("/etc/passwd"),
        "groups": lines("/etc/group"),
        "swaps": [line.split()[0] for line in lines("/proc/swaps")[1:]],
        "namespaces": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
        "listening": listening(),
        "ephemeral": [int(each) for each in lines("/proc/sys/net/ipv4/ip_local_port_range")[0].split()],
    }
    for thread in threads:
        thread.join()
    facts["tools"] = {name: answer for name, answer in tools.items() if answer is not None}
    return facts


json.dump(main(), sys.stdout)
