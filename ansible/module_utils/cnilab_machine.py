"""What a machine is made of, as far as a lab changes it: one reader for each kind of thing, all of them plain data."""

import glob
import json
import os
import re
import shutil
import subprocess

JOURNALS = "/var/lib/cnilab"

# The containerd namespace of Kubernetes' containers.
NAMESPACE = "k8s.io"

# Before the name of an image that was there when a lab brought another of its name.
KEPT_IMAGES = "cnilab.invalid/kept/"

# What Kubernetes and the CNIs call what is theirs.
LINKS = re.compile(r"^(cni0|cali\w+|flannel[.\w-]*|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali|weave|vethwe.*"
                   r"|vxlan-6784|datapath|kube-ipvs0|kube-bridge|nodelocaldns)$")
# Links of a kernel module that is loaded for them; they go with it.
MODULE_LINKS = {"tunl0": "ipip"}
RULES = re.compile(r"KUBE-|\bcali[-:]|FLANNEL|flanneld|WEAVE|CNI-"
                   r"|-[io] (cni0|cali\S*|flannel\S*|vxlan\S*calico|weave|tunl0|kube-\S+)\b")
CHAINS = re.compile(r"^(KUBE-|cali-|FLANNEL-|WEAVE|CNI-)")
SETS = re.compile(r"^(KUBE-|cali\w+|weave-)")
TABLES = re.compile(r"^(kube-|cali|flannel|weave|cni)")
CGROUPS = re.compile(r"^(kubepods|kubelet)")
# calico/node's routes (protocol 80), BIRD's (12).
PROTOCOLS = {"80", "bird", "12"}
# linux/rtnetlink.h's route types: `ip -N` shows a number, which `ip route del` does not take.
ROUTE_TYPES = {"1": "unicast", "6": "blackhole", "7": "unreachable", "8": "prohibit", "9": "throw"}


def run(argv, stdin=None):
    """Standard output; raises RuntimeError with what the command wrote to standard error."""
    done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          check=False, env=dict(os.environ, LC_ALL="C.UTF-8"))
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(argv), done.stderr.strip()[-600:] or "exit code %d" % done.returncode))
    return done.stdout


def succeeds(argv):
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def text_of(path):
    """A file's text without the last line break; None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().rstrip("\n")
    except OSError:
        return None


def journal_of(lab):
    return os.path.join(JOURNALS, lab, "journal")


def read_json(path):
    text = text_of(path)
    return None if text is None else json.loads(text)


def write_json(path, value):
    """Whole or not at all: a machine that loses power has the old text or the new one."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)


def links():
    return sorted(os.listdir("/sys/class/net"))


def routes():
    """IPv4 and IPv6 routes of all tables, but those that the kernel makes for addresses."""
    found = []
    for family in ("-4", "-6"):
        try:
            shown = run(["ip", family, "-j", "-N", "route", "show", "table", "all"])
        except RuntimeError:
            # A kernel without IPv6.
            continue
        for route in json.loads(shown or "[]"):
            if str(route.get("protocol")) != "2" and route.get("dst"):
                kind = str(route.get("type", "unicast"))
                found.append({"family": family, "type": ROUTE_TYPES.get(kind, kind), "dst": route["dst"],
                              "dev": route.get("dev", ""), "gateway": route.get("gateway", ""),
                              "protocol": str(route.get("protocol", "")), "table": str(route.get("table", "main"))})
    return found


def iptables_commands():
    """The commands by family and backend; where a system has only one backend, its plain name."""
    found = []
    for family in ("iptables", "ip6tables"):
        variants = [name for name in (family + "-nft", family + "-legacy") if shutil.which(name + "-save")]
        found += variants or ([family] if shutil.which(family + "-save") else [])
    return found


def iptables(command):
    """{table: {"chains": {name: policy}, "rules": [text]}}; looking makes no table."""
    tables, table = {}, None
    try:
        shown = run([command + "-save"])
    except RuntimeError:
        # The kernel has not this backend.
        return tables
    for line in shown.splitlines():
        if line.startswith("*"):
            table = tables.setdefault(line[1:], {"chains": {}, "rules": []})
        elif line.startswith(":") and table is not None:
            name, policy = line[1:].split()[:2]
            table["chains"][name] = policy
        elif line.startswith("-A ") and table is not None:
            table["rules"].append(line)
    return tables


def nft_tables():
    if not shutil.which("nft"):
        return []
    try:
        return [line[len("table "):] for line in run(["nft", "list", "tables"]).splitlines() if line.startswith("table ")]
    except RuntimeError:
        return []


def ipsets():
    if not shutil.which("ipset"):
        return []
    try:
        return run(["ipset", "list", "-name"]).split()
    except RuntimeError:
        return []


def modules():
    return [line.split()[0] for line in (text_of("/proc/modules") or "").splitlines()]


def mounts():
    """Mount points, in the order in which they were mounted; octal escapes (proc(5)) undone."""
    lines = (text_of("/proc/self/mounts") or "").splitlines()
    return [re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), line.split(" ")[1]) for line in lines]


def network_namespaces():
    return sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []


def cgroups():
    """Those of Kubernetes, whole paths: at the root of each hierarchy."""
    roots = ["/sys/fs/cgroup"]
    if not is_unified():
        roots += [path for path in glob.glob("/sys/fs/cgroup/*") if os.path.isdir(path) and not os.path.islink(path)]
    found = []
    for root in roots:
        if os.path.isdir(root):
            found += [os.path.join(root, name) for name in os.listdir(root) if CGROUPS.match(name)]
    return sorted(path for path in found if os.path.isdir(path))


def is_unified():
    """Whether the machine has cgroup v2 and nothing else."""
    return os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def sysctls():
    """What kubelet, kube-proxy and CNIs write: all of net, and what the kubelet sets of the kernel's behaviour."""
    names = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
             "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"]
    found = {}
    for folder, _, files in os.walk("/proc/sys/net"):
        names += [os.path.relpath(os.path.join(folder, name), "/proc/sys") for name in files]
    for name in names:
        path = "/proc/sys/" + name
        try:
            if os.stat(path).st_mode & 0o600 != 0o600:
                continue
        except OSError:
            continue
        value = text_of(path)
        if value is not None:
            found[name] = value
    return found


def service(name):
    """How systemd has a unit: `enabled` is empty where there is no such unit."""
    def ask(verb):
        done = subprocess.run(["systemctl", verb, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              universal_newlines=True, check=False)
        return done.stdout.strip()
    enabled = ask("is-enabled")
    return {"enabled": "" if enabled == "not-found" else enabled, "active": ask("is-active") in ("active", "activating")}


def ctr(*arguments):
    return run(["ctr", "--namespace", NAMESPACE] + list(arguments))


def containerd_answers():
    return bool(shutil.which("ctr")) and succeeds(["ctr", "--connect-timeout", "5s", "version"])


def containerd():
    """Images and containers of Kubernetes' namespace; None where no containerd answers."""
    if not containerd_answers():
        return None
    return {"namespaces": run(["ctr", "namespaces", "list", "--quiet"]).split(),
            "images": ctr("images", "list", "--quiet").split(),
            "containers": ctr("containers", "list", "--quiet").split()}


def packages():
    """{name: version} of what is installed, by the system's own package manager."""
    if shutil.which("dpkg-query"):
        shown = run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${binary:Package} ${Version}\n"])
        rows = [line.split(" ") for line in shown.splitlines()]
        return {row[1]: row[2] for row in rows if row[0] == "installed"}
    if shutil.which("rpm"):
        rows = [line.split(" ") for line in run(["rpm", "-qa", "--qf", "%{NAME}.%{ARCH} %{EVR}\n"]).splitlines()]
        return {row[0]: row[1] for row in rows}
    return {}
