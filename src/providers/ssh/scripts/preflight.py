"""Measures this machine before a lab changes anything on it, and the ways from it to the lab's other machines.

Python 3.6 or later; what only root may see is null for others. Changes nothing and leaves nothing: kernel features are tried in a
network namespace that ends with the command. One JSON object on standard output; src/providers/ssh/preflight/facts.ts has its shape.
"""

import errno
import glob
import json
import os
import platform
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

START = time.time()
TEXT_LIMIT = 400
LIST_LIMIT = 200
ENVIRONMENT = dict(os.environ, LC_ALL="C", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3
IP_ICMP_BYTES = 28
# Each size is sent three times, so that one lost packet does not look like a small MTU.
RESENDS_S = (0, 0.06, 0.15)
ROUND_S = 0.35
SIZES_A_ROUND = 16
PAIRS_S = 2.0
# One SYN retransmit is a second (RFC 6298, 2.1).
CONNECT_S = 1.4

CLUSTER_PROGRAMS = ("kubelet", "kube-apiserver", "etcd")
STRANGE_PROGRAMS = ("k3s", "k3s-server", "k3s-agent", "rke2", "k0s")
# What kubeadm and labs leave, which ansible/force.yaml knows how to take away.
CLUSTER_FILES = (
    "/etc/kubernetes/*.conf",
    "/etc/kubernetes/manifests/*.yaml",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/cnilab/*/journal",
)
CLUSTER_CNIS = re.compile(r"^/etc/cni/net\.d/([0-9]+-)?(calico|flannel|weave)[^/]*$")
STRANGE_FILES = (
    "/etc/rancher/k3s/*",
    "/etc/rancher/rke2/*",
    "/var/lib/rancher/*",
    "/var/snap/microk8s/current",
    "/var/lib/k0s/*",
)
CNI_FILES = (
    "/etc/cni/net.d/*.conf",
    "/etc/cni/net.d/*.conflist",
)
# Podman's own network, which is there before any cluster and sorts after the files of all CNIs.
NOT_CLUSTER = ("/etc/cni/net.d/87-podman-bridge.conflist",)


def text(path, limit=TEXT_LIMIT):
    try:
        with open(path, errors="replace") as file:
            return file.read(limit)
    except OSError:
        return None


def command(argv, timeout=3):
    """(exit code, stdout, stderr); the code is None where it could not be started or took too long."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, env=ENVIRONMENT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, "", str(error)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def system():
    fields = {}
    for line in (text("/etc/os-release", 8192) or "").splitlines():
        key, found, value = line.partition("=")
        if found:
            fields[key] = value.strip().strip("\"'")[:TEXT_LIMIT]
    return {
        "id": fields.get("ID", ""),
        "like": fields.get("ID_LIKE", "").split()[:10],
        "name": fields.get("PRETTY_NAME", fields.get("ID", "")),
        "version": fields.get("VERSION_ID", ""),
    }


def memory_mb():
    for line in (text("/proc/meminfo", 8192) or "").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return 0


def disks():
    found = []
    for path in ("/", "/var/lib"):
        state = os.statvfs(path)
        found.append(
            {
                "path": path,
                "freeMb": state.f_bavail * state.f_frsize >> 20,
                # File systems without a fixed number of inodes say 0 of 0.
                "freeInodes": state.f_favail if state.f_files > 0 else None,
                "device": os.stat(path).st_dev,
            }
        )
    return found


def cgroup():
    unified = text("/sys/fs/cgroup/cgroup.controllers", 1024)
    if unified is not None:
        return {"version": 2, "controllers": unified.split()}
    lines = [line.split() for line in (text("/proc/cgroups", 8192) or "").splitlines()[1:]]
    return {"version": 1, "controllers": [line[0] for line in lines if len(line) == 4 and line[3] == "1"]}


def swaps():
    return [line.split()[0][:TEXT_LIMIT] for line in (text("/proc/swaps", 8192) or "").splitlines()[1:] if line.strip()]


def address_of(word):
    """An address of /proc/net/tcp: words of four bytes, each in this machine's own order."""
    raw = bytes.fromhex(word)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def listeners():
    found, inodes = [], {}
    for protocol, name, states in (("tcp", "tcp", "0A"), ("tcp", "tcp6", "0A"), ("udp", "udp", "07"), ("udp", "udp6", "07")):
        try:
            lines = open("/proc/net/" + name).readlines()[1:]
        except OSError:
            continue
        for line in lines:
            field = line.split()
            if field[3] != states:
                continue
            address, port = field[1].split(":")
            one = {"protocol": protocol, "address": address_of(address), "port": int(port, 16), "holder": None}
            found.append(one)
            inodes.setdefault(field[9], []).append(one)
    for process in glob.glob("/proc/[0-9]*"):
        try:
            for number in os.listdir(process + "/fd"):
                target = os.readlink(process + "/fd/" + number)
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    for one in inodes[target[8:-1]]:
                        one["holder"] = "%s (pid %s)" % ((text(process + "/comm", 64) or "?").strip(), process[6:])
        except OSError:
            continue
    return found[:1000]


def modules():
    def state(name, there):
        if there or os.path.isdir("/sys/module/" + name):
            return "loaded"
        return "loadable" if command(["modprobe", "--dry-run", "--quiet", name])[0] == 0 else "missing"

    filesystems = (text("/proc/filesystems", 8192) or "").split()
    bridge = os.path.exists("/proc/sys/net/bridge/bridge-nf-call-iptables")
    return {"overlay": state("overlay", "overlay" in filesystems), "br_netfilter": state("br_netfilter", bridge)}


def kernel_tries():
    """What src/providers/real/kernel-features.ts asks, in its own words; a feature whose modules are there is not tried."""
    ran = []

    def run(argv):
        code, _, said = command(argv)
        ran.append({"argv": argv, "exitCode": code, "stderr": said[:TEXT_LIMIT]})
        return code

    def there(module):
        return run(["test", "-d", "/sys/module/" + module]) == 0 or run(["modprobe", "--dry-run", "--quiet", module]) == 0

    way = None
    for feature in REQUEST["kernel"]:  # noqa: F821
        if all([there(module) for module in feature["modules"]]):
            continue
        if way is None:
            root = ["unshare", "--net", "--"]
            user = ["unshare", "--user", "--map-root-user", "--net", "--"]
            way = root if run(root + ["true"]) == 0 else user
            if way is user:
                run(user + ["true"])
        run(way + feature["tryIt"])
    return ran


def interfaces():
    code, out, said = command(["ip", "-j", "addr"])
    if code != 0:
        return {"problem": said[:TEXT_LIMIT] or "ip failed", "links": []}
    links = []
    for link in json.loads(out or "[]"):
        if not link.get("ifname"):
            continue
        name = link["ifname"]
        links.append(
            {
                "name": name,
                "mac": link.get("address", ""),
                "mtu": link.get("mtu", 0),
                "up": "UP" in link.get("flags", []),
                "isEthernet": link.get("link_type") == "ether",
                # Bridges, tunnels and ends of containers' links have addresses of their own making.
                "isVirtual": os.path.exists("/sys/devices/virtual/net/" + name) and "link_netnsid" not in link,
                "addresses": [each["local"] for each in link.get("addr_info", []) if "local" in each][:50],
            }
        )
    return {"problem": None, "links": links[:LIST_LIMIT]}


def names():
    host = socket.gethostname()
    code, out, _ = command(["getent", "ahosts", host], timeout=4)
    addresses = None if code is None else sorted({line.split()[0] for line in out.splitlines() if line.strip()})
    return {"host": host, "addresses": addresses}


def firewalls():
    found = []
    if any(line.strip().lower() == "enabled=yes" for line in (text("/etc/ufw/ufw.conf", 8192) or "").splitlines()):
        found.append("ufw")
    if command(["systemctl", "is-active", "--quiet", "firewalld"])[0] == 0:
        found.append("firewalld")
    return found


def namespace(process):
    try:
        return os.readlink(process + "/ns/pid")
    except OSError:
        return None


def cluster():
    """Signs of a cluster: those that ansible/force.yaml can take away, and those that only others know how to."""
    def there(patterns):
        return [path for pattern in patterns for path in sorted(glob.glob(pattern)) if path not in NOT_CLUSTER]

    known, strange = there(CLUSTER_FILES), there(STRANGE_FILES)
    for path in there(CNI_FILES):
        (known if CLUSTER_CNIS.match(path) else strange).append(path)
    # Its default place is also that of an etcd of somebody's own.
    (known if any(path.startswith("/etc/kubernetes/") for path in known) else strange).extend(there(("/var/lib/etcd/member",)))
    here = namespace("/proc/self")
    for process in glob.glob("/proc/[0-9]*"):
        name = (text(process + "/comm", 64) or "").strip()
        # Nodes in containers, such as kind's, are not this machine's.
        if name not in CLUSTER_PROGRAMS + STRANGE_PROGRAMS or namespace(process) not in (here, None):
            continue
        is_known = name == "kubelet" or (name in CLUSTER_PROGRAMS and "kubepods" in (text(process + "/cgroup", 4096) or ""))
        (known if is_known else strange).append("%s runs (pid %s)" % (name, process[6:]))
    for path in ("/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env"):
        runtime = re.search("(crio|cri-dockerd)[.]sock", text(path, 65536) or "")
        if runtime:
            strange.append("%s has %s: its pods run elsewhere than in containerd" % (path, runtime.group(0)))
    return {kind: [sign[:TEXT_LIMIT] for sign in signs[:LIST_LIMIT]] for kind, signs in (("known", known), ("strange", strange))}


def containers():
    """Containers by runtime and namespace, where a runtime answers us."""
    found = []
    if os.path.exists("/run/containerd/containerd.sock") and shutil.which("ctr"):
        code, out, _ = command(["ctr", "--timeout", "2s", "namespaces", "list", "--quiet"])
        for namespace in out.split()[:20] if code == 0 else []:
            _, listed, _ = command(["ctr", "--timeout", "2s", "--namespace", namespace, "containers", "list", "--quiet"])
            found.append({"where": "containerd, namespace " + namespace, "count": len(listed.split())})
    for tool in ("podman", "crictl"):
        if shutil.which(tool):
            code, listed, _ = command([tool, "ps", "--all", "--quiet"])
            if code == 0 and tool == "podman":
                found.append({"where": "podman", "count": len(listed.split())})
    return [each for each in found if each["count"] > 0]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def interface_mtu(links, address):
    """Of the link that packets to the address leave by."""
    code, out, _ = command(["ip", "-j", "route", "get", address])
    device = json.loads(out)[0].get("dev") if code == 0 and out.strip() else None
    return next((link["mtu"] for link in links if link["name"] == device), None)


def largest_packets(links):
    """For each peer the largest IPv4 packet that gets there unfragmented (DF, RFC 791), by ICMP echo; None: none was answered."""
    peers = REQUEST["peers"]  # noqa: F821
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
    ident = struct.pack("!H", os.getpid() & 0xFFFF)
    token = os.urandom(8)
    state = {}
    for peer in peers:
        mtu = interface_mtu(links, peer["address"]) or 1500
        state[peer["address"]] = {"mtu": mtu, "low": 0, "high": mtu + 1, "answered": set(), "roundTripMs": None}

    def send(address, size):
        body = b"\x08\0\0\0" + ident + struct.pack("!H", size & 0xFFFF) + token + b"\0" * (size - IP_ICMP_BYTES - 8)
        packet = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        try:
            sock.sendto(packet, (address, 0))
        except OSError:
            # Too long for our own link, or no way there: as good as no answer.
            pass

    def receive(until, awaited, began):
        while awaited() and time.monotonic() < until:
            if not select.select([sock], [], [], max(0, until - time.monotonic()))[0]:
                return
            packet, (source, _) = sock.recvfrom(65535)
            header = (packet[0] & 15) * 4
            if source not in state or packet[header] != 0 or packet[header + 4 : header + 6] != ident:
                continue
            if packet[header + 8 : header + 16] == token:
                peer = state[source]
                peer["answered"].add(struct.unpack("!H", packet[header + 6 : header + 8])[0])
                if peer["roundTripMs"] is None:
                    peer["roundTripMs"] = (time.monotonic() - began) * 1000

    end = time.monotonic() + PAIRS_S
    first = True
    while time.monotonic() + ROUND_S < end:
        asked = {}
        for address, peer in state.items():
            low, high = peer["low"], peer["high"]
            if high - low <= 1 or (not first and not peer["answered"]):
                continue
            if first:
                sizes = {peer["mtu"], REQUEST["packetBytes"], 1280, 576}  # noqa: F821
            else:
                sizes = {low + (high - low) * step // (SIZES_A_ROUND + 1) for step in range(1, SIZES_A_ROUND + 1)}
            asked[address] = {size for size in sizes if low < size < high}
        if not asked:
            break

        def unanswered():
            return {
                address: sizes - state[address]["answered"]
                for address, sizes in asked.items()
                # One that has the largest answered needs no more.
                if max(sizes) not in state[address]["answered"]
            }

        began = time.monotonic()
        for at, moment in enumerate(RESENDS_S):
            for address, sizes in unanswered().items():
                for size in sorted(sizes, reverse=True):
                    send(address, size)
            until = RESENDS_S[at + 1] if at + 1 < len(RESENDS_S) else ROUND_S
            receive(began + until, unanswered, began)
        for address, sizes in asked.items():
            peer = state[address]
            peer["low"] = max(peer["answered"] | {0})
            peer["high"] = min({size for size in sizes if size > peer["low"]} | {peer["high"]})
        first = False
    sock.close()
    return {
        address: {"linkMtu": peer["mtu"], "largest": peer["low"] or None, "roundTripMs": peer["roundTripMs"]}
        for address, peer in state.items()
    }


def port_answers():
    """How each port of each peer answers a first packet. Refused is fine: nothing listens there yet, and the packet arrived."""
    sockets, answers = {}, []
    for peer in REQUEST["peers"]:  # noqa: F821
        for need in peer["ports"]:
            isTcp = need["protocol"] == "tcp"
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if isTcp else socket.SOCK_DGRAM)
            sock.setblocking(False)
            answer = dict(need, peer=peer["name"], answer="silent")
            answers.append(answer)
            code = sock.connect_ex((peer["address"], need["port"]))
            if code not in (0, errno.EINPROGRESS):
                answer["answer"] = errno.errorcode.get(code, str(code))
                sock.close()
            else:
                sockets[sock.fileno()] = (sock, answer, isTcp)
    poll = select.poll()
    for number, (_, _, isTcp) in sockets.items():
        poll.register(number, select.POLLOUT if isTcp else select.POLLIN)
    began = time.monotonic()
    resends = [0, 0.4, 0.8]
    while sockets and time.monotonic() < began + CONNECT_S:
        if resends and time.monotonic() >= began + resends[0]:
            resends.pop(0)
            for sock, _, isTcp in sockets.values():
                if not isTcp:
                    try:
                        sock.send(b"\0")
                    except OSError:
                        # The error of the one before; poll(2) tells it below, too.
                        pass
        for number, _ in poll.poll(50):
            sock, answer, _ = sockets.pop(number)
            poll.unregister(number)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            answer["answer"] = "open" if code == 0 else errno.errorcode.get(code, str(code))
            sock.close()
    for sock, _, _ in sockets.values():
        sock.close()
    return answers


def guarded(parts, key, measure):
    try:
        parts[key] = measure()
    except Exception as error:  # noqa: BLE001 - one part that fails must not hide the others
        parts["problems"].append("%s: %s" % (key, error))


def main():
    parts = {"problems": []}
    links = interfaces()
    isRoot = os.geteuid() == 0
    slow = {"names": names, "kernel": kernel_tries, "containers": containers, "ports": port_answers, "firewalls": firewalls}
    if isRoot:
        slow["packets"] = lambda: largest_packets(links["links"])
    threads = [threading.Thread(target=guarded, args=(parts, key, measure), daemon=True) for key, measure in slow.items()]
    for thread in threads:
        thread.start()
    quick = {
        "disks": disks,
        "cgroup": cgroup,
        "swaps": swaps,
        "listeners": listeners,
        "modules": modules,
        "cluster": cluster,
        "system": system,
    }
    for key, measure in quick.items():
        guarded(parts, key, measure)
    for thread in threads:
        thread.join()
    parts.update(
        python=list(sys.version_info[:3]),
        isRoot=isRoot,
        kernelRelease=platform.release(),
        architecture=platform.machine(),
        hasSystemd=os.path.isdir("/run/systemd/system"),
        cpus=len(os.sched_getaffinity(0)),
        memoryMb=memory_mb(),
        interfaces=links,
        machineId=(text("/etc/machine-id", 64) or "").strip(),
        start=START,
        end=time.time(),
    )
    return parts


json.dump(main(), sys.stdout)
