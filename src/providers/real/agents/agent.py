"""cnilab's agent: works in the network namespaces of one node's pods, told what to do over its standard input.

One file, the standard library of Python 3.9 or later, Linux 5.6 or later, root. It shares the node's process namespace.
The protocol is in docs/providers/agents.md.
"""

import base64
import ctypes
import errno
import fcntl
import heapq
import itertools
import json
import os
import pty
import re
import resource
import select
import signal
import socket
import stat
import struct
import sys
import termios
import time

PROTOCOL = 1
LINE_LIMIT = 1 << 20
CHUNK = 32 << 10
# While so much waits to be sent, nothing more is read from commands.
OUTPUT_HIGH = 1 << 20
OUTPUT_LOW = 1 << 18
# The other end sends a heartbeat every few seconds.
SILENCE_S = 120
CELLS_A_MESSAGE = 1000

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
# nosuid, nodev, noexec, noatime, nodiratime: the same bits in statvfs(3).
MS_KEPT = 2 | 4 | 8 | 1024 | 2048
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
CAP_SETGID, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW = 6, 10, 12, 13
SYS_OPENAT2 = 437
RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT = 0x02, 0x10
TCP_INFO_TOTAL_RETRANS = 100

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failure(Exception):
    """What goes to the other end as an error with a code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def check(name, result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def setns(fd, kind):
    check("setns", libc.setns(fd, kind))


def prctl(option, value):
    return libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0)))


def mount(source, target, kind, flags, data=None):
    arguments = [None if each is None else each.encode() for each in (source, target, kind, data)]
    source, target, kind, data = arguments
    name = f"mount {target.decode()}"
    check(name, libc.mount(source, target, kind, ctypes.c_ulong(flags), data))


# Where processes are


POD = re.compile(
    r"[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?:/([^/\n]+))?(?=/|$)"
)


def read_if_there(path):
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def pod_of_cgroup(text):
    """Uid and container of a process from its /proc/PID/cgroup, under both drivers and both versions."""
    for line in text.split("\n"):
        matches = list(POD.finditer(line))
        if matches:
            return matches[-1].group(1).replace("_", "-"), matches[-1].group(2) or ""
    return None


def stat_of(pid):
    """Name and start time of a running process; None for one that is not there or only waits to be reaped."""
    text = read_if_there(f"/proc/{pid}/stat")
    if not text:
        return None
    end = text.rindex(")")
    fields = text[end + 2 :].split(" ")
    return None if fields[0] in "ZX" else (text[text.index("(") + 1 : end], int(fields[19]))


def is_running(process):
    now = stat_of(process[0])
    return now is not None and now[1] == process[1]


def scan_pods():
    """Of every pod with a running container: the process that holds its network namespace, and one of a container."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        pod = pod_of_cgroup(read_if_there(f"/proc/{entry}/cgroup"))
        now = stat_of(entry) if pod else None
        if now is not None:
            found.setdefault(pod[0], []).append((now[1], int(entry), now[0], pod[1]))
    anchors = {}
    for uid, processes in found.items():
        processes.sort()
        oldest = processes[0]
        others = [each for each in processes if each[3] != oldest[3]]
        # Under a runtime without a sandbox container the oldest process is the first container's.
        container = others[0] if others else None if oldest[2] == "pause" else oldest
        if container is not None:
            anchors[uid] = ((oldest[1], oldest[0]), (container[1], container[0]))
    return anchors


class Pods:
    def __init__(self):
        self.anchors = {}

    def known(self, uid):
        anchor = self.anchors.get(uid)
        return anchor if anchor is not None and all(map(is_running, anchor)) else None

    def find(self, uid):
        anchor = self.known(uid)
        if anchor is None:
            self.anchors = scan_pods()
            anchor = self.known(uid)
        return anchor


class Place:
    """A network namespace held open, and the processes that it was found by."""

    def __init__(self, spec, pods, init):
        self.pods, self.uid, self.name = pods, spec.get("uid"), spec.get("name", "")
        self.is_pod = spec["kind"] == "pod"
        anchor = pods.find(self.uid) if self.is_pod else (init, init)
        if anchor is None:
            raise self.missing("")
        self.network, self.container = anchor
        try:
            self.fd = os.open(f"/proc/{self.network[0]}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            raise self.missing(": it ended meanwhile") from None
        try:
            # The number may have gone to another process before it was opened.
            self.verify()
        except Failure:
            self.close()
            raise

    def missing(self, when):
        if self.is_pod:
            return Failure("SOURCE_MISSING", f"{self.name} has no running container{when}")
        return Failure("AGENT_LOST", "the node's first process has ended")

    def verify(self):
        if is_running(self.network) and is_running(self.container):
            return
        # A container that was restarted meanwhile left the pod's network as it was.
        anchor = self.pods.find(self.uid) if self.is_pod else None
        if anchor is None or anchor[0] != self.network:
            raise self.missing(": it ended meanwhile")

    def file(self, path):
        """Text of a file of the place, links followed inside its own root only."""
        try:
            root = os.open(f"/proc/{self.container[0]}/root", os.O_PATH | os.O_DIRECTORY)
        except (FileNotFoundError, ProcessLookupError):
            raise self.missing(": it ended meanwhile") from None
        try:
            how = struct.pack("=QQQ", os.O_NONBLOCK | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
            fd = libc.syscall(ctypes.c_long(SYS_OPENAT2), root, path.encode(), how, ctypes.c_size_t(len(how)))
            if fd < 0 and ctypes.get_errno() in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return ""
            check("openat2", fd)
        finally:
            os.close(root)
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return ""
            return file.read(1 << 16).decode(errors="replace")

    def close(self):
        os.close(self.fd)


# Sweeps


DNS_QUERY = bytes.fromhex("63690100000100000000000007636e696c616204746573740000010001")
UNREACHABLE = {errno.EPERM, errno.EACCES, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT}


def outcome_of(number):
    name = errno.errorcode.get(number, f"errno {number}")
    if number == errno.ECONNREFUSED:
        return "refused", name
    return ("unreachable" if number in UNREACHABLE else "error"), name


class Sweep:
    """All cells of a request at once: connects without blocking, one deadline."""

    def __init__(self, agent, request, message):
        self.agent, self.request = agent, request
        self.started_at = time.perf_counter()
        self.open, self.results, self.retransmits = {}, [], 0
        self.is_over = False
        self.places, self.errors = [], {}
        for index, spec in enumerate(message["places"]):
            try:
                self.places.append(Place(spec, agent.pods, agent.init))
            except Failure as failure:
                self.places.append(None)
                self.errors[index] = failure
        by_place = {}
        for cell in message["cells"]:
            by_place.setdefault(cell[1], []).append(cell)
        for index, cells in by_place.items():
            place = self.places[index]
            if place is None:
                continue
            setns(place.fd, CLONE_NEWNET)
            try:
                for cell in cells:
                    self.connect(cell)
            finally:
                setns(agent.home, CLONE_NEWNET)
        for index, failure in self.errors.items():
            for cell in by_place.get(index, []):
                self.results.append((cell, "error", f"{failure.code}: {failure}", 0))
        deadline_s = message["deadlineMs"] / 1000
        # As TCP's SYN: one lost datagram must not look like a block.
        agent.later(min(0.5, deadline_s * 0.4), self.send_again)
        agent.later(deadline_s, self.end)
        self.end_if_done()

    def connect(self, cell):
        _, _, address, port, protocol = cell
        started_at = time.perf_counter()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = None
        try:
            # connect(2) of a name would ask this machine's resolver.
            socket.inet_pton(family, address)
            kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
            sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if protocol == "tcp":
                # RST instead of TIME_WAIT: thousands of probes must not fill the namespace's port range.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            number = sock.connect_ex((address, port))
            if number not in (0, errno.EINPROGRESS):
                self.note(cell, started_at, *outcome_of(number))
                sock.close()
                return
            if protocol == "udp":
                self.send(sock, port)
            self.open[sock.fileno()] = (sock, cell, started_at)
            event = select.EPOLLOUT if protocol == "tcp" else select.EPOLLIN
            self.agent.watch(sock.fileno(), event, lambda _: self.ready(sock.fileno()))
        except OSError as error:
            if sock is not None:
                self.open.pop(sock.fileno(), None)
                sock.close()
            self.note(cell, started_at, *(outcome_of(error.errno) if error.errno else ("error", str(error))))

    @staticmethod
    def send(sock, port):
        sock.send(DNS_QUERY if port == 53 else b"hostname\n")

    def note(self, cell, started_at, outcome, detail):
        self.results.append((cell, outcome, detail, (time.perf_counter() - started_at) * 1000))

    def finish(self, fd, outcome, detail):
        sock, cell, started_at = self.open.pop(fd)[:3]
        self.agent.unwatch(fd)
        if outcome == "answered" and cell[4] == "tcp":
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            self.retransmits += struct.unpack_from("=I", info, TCP_INFO_TOTAL_RETRANS)[0]
        sock.close()
        self.note(cell, started_at, outcome, detail)

    def ready(self, fd):
        sock, cell = self.open[fd][:2]
        if cell[4] == "tcp":
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.finish(fd, *(("answered", "connected") if number == 0 else outcome_of(number)))
        else:
            try:
                data = sock.recv(2048)
            except BlockingIOError:
                return
            except OSError as error:
                self.finish(fd, *outcome_of(error.errno))
            else:
                self.retransmits += len(self.open[fd]) - 3
                self.finish(fd, "answered", f"{len(data)} bytes")
        self.end_if_done()

    def send_again(self):
        for fd, entry in list(self.open.items()):
            if entry[1][4] != "udp":
                continue
            try:
                self.send(entry[0], entry[1][3])
                self.open[fd] = (*entry, "sent again")
            except OSError as error:
                self.finish(fd, *outcome_of(error.errno))
        self.end_if_done()

    def end_if_done(self):
        if not self.open:
            self.end()

    def end(self):
        if self.is_over:
            return
        self.is_over = True
        # What came in time but was not read yet is an answer.
        poll = select.poll()
        for fd, entry in self.open.items():
            poll.register(fd, select.POLLOUT if entry[1][4] == "tcp" else select.POLLIN)
        for fd, _ in poll.poll(0):
            self.ready(fd)
        for fd in list(self.open):
            self.finish(fd, "no-answer", "no answer before the deadline")
        self.report()

    def report(self):
        ended = {}
        for index, place in enumerate(self.places):
            if place is None:
                continue
            try:
                place.verify()
            except Failure as failure:
                ended[index] = failure
            place.close()
        rows = []
        for cell, outcome, detail, latency_ms in self.results:
            # The network of a pod that ended is gone, so that its silence says nothing.
            failure = ended.get(cell[1]) if outcome != "answered" else None
            if failure is not None:
                outcome, detail = "error", f"{failure.code}: {failure}"
            rows.append([cell[0], outcome, detail, round(latency_ms, 3)])
        for start in range(0, len(rows), CELLS_A_MESSAGE):
            self.agent.send({"id": self.request, "cells": rows[start : start + CELLS_A_MESSAGE]})
        duration_ms = (time.perf_counter() - self.started_at) * 1000
        self.agent.done(self.request, {"retransmits": self.retransmits, "durationMs": duration_ms})

    def kill(self):
        for fd in list(self.open):
            self.finish(fd, "error", "the sweep was given up")
        self.end()


# Echo requests


# ip(7), ipv6(7): no fragments, and what the kernel has learnt of the path's MTU is not heeded.
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IPV6_DONTFRAG, PMTUDISC_PROBE = 10, 23, 62, 3
ECHO_REQUEST, ECHO_REQUEST_6 = 8, 128
ECHO_BUFFER = 4 << 20
# An error quotes its packet behind two headers; more of a reply is not read.
ECHO_KEPT = 256


class Echo:
    """ICMP echo requests of several lengths at once; what comes back is read at the other end."""

    def __init__(self, agent, request, message):
        self.agent, self.request = agent, request
        self.started_at = time.perf_counter()
        self.address, self.lengths = message["address"], message["lengths"]
        self.identifier, self.is_over = message["identifier"], False
        self.unsent = set()
        self.is_six = ":" in self.address
        self.place = Place(message["place"], agent.pods, agent.init)
        try:
            self.sock = self.open()
        except BaseException:
            self.place.close()
            raise
        agent.watch(self.sock.fileno(), select.EPOLLIN, lambda _: self.read())
        deadline_s, tries = message["deadlineMs"] / 1000, message["tries"]
        self.send()
        for number in range(1, tries):
            agent.later(number * deadline_s / tries, self.send)
        agent.later(deadline_s, self.end)

    def open(self):
        family = socket.AF_INET6 if self.is_six else socket.AF_INET
        socket.inet_pton(family, self.address)
        setns(self.place.fd, CLONE_NEWNET)
        try:
            protocol = socket.IPPROTO_ICMPV6 if self.is_six else socket.IPPROTO_ICMP
            sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
        finally:
            setns(self.agent.home, CLONE_NEWNET)
        try:
            if self.is_six:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
                # Else the sender itself would make fragments.
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, ECHO_BUFFER)
        except BaseException:
            sock.close()
            raise
        return sock

    def packet(self, sequence):
        # Nothing but zeros follows. The kernel writes the checksum of ICMPv6, which counts the addresses in (RFC 1071).
        kind = ECHO_REQUEST_6 if self.is_six else ECHO_REQUEST
        total = (kind << 8) + self.identifier + sequence
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        header = struct.pack(">BBHHH", kind, 0, 0 if self.is_six else ~total & 0xFFFF, self.identifier, sequence)
        return header + bytes(self.lengths[sequence] - len(header))

    def send(self):
        if self.is_over:
            return
        failed = []
        for sequence in range(len(self.lengths)):
            if sequence in self.unsent:
                continue
            try:
                self.sock.sendto(self.packet(sequence), (self.address, 0))
            except BlockingIOError:
                continue
            except OSError as error:
                self.unsent.add(sequence)
                failed.append([sequence, errno.errorcode.get(error.errno, f"errno {error.errno}")])
        if failed:
            self.agent.send({"id": self.request, "unsent": failed})

    def read(self):
        received = []
        while True:
            try:
                data, source = self.sock.recvfrom(1 << 16)
            except BlockingIOError:
                break
            except OSError:
                # An ICMP error is told twice: as an error of the socket, and as the packet that follows.
                continue
            received.append([source[0].split("%")[0], base64.b64encode(data[:ECHO_KEPT]).decode()])
        if received:
            self.agent.send({"id": self.request, "received": received})

    def end(self):
        if self.is_over:
            return
        self.is_over = True
        # What came in time but was not read yet is an answer.
        self.read()
        self.agent.unwatch(self.sock.fileno())
        self.sock.close()
        try:
            self.place.verify()
        except Failure as failure:
            self.agent.fail(self.request, failure)
        else:
            self.agent.done(self.request, {"durationMs": (time.perf_counter() - self.started_at) * 1000})
        finally:
            self.place.close()

    def kill(self):
        self.end()


# Commands


SYSTEM = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]
SHARED_ETC = "alternatives ld.so.cache ld.so.conf ld.so.conf.d ssl ca-certificates pki protocols services iproute2 localtime"
DEVICES = ["null", "zero", "full", "random", "urandom", "tty"]
# tcpdump changes to this user, and may not become another than root.
PASSWD = "root:x:0:0:root:/root:/bin/sh\ntcpdump:x:0:0::/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n"


def bind(source, target):
    mount(source, target, None, MS_BIND | MS_REC)


def bind_read_only(source, target):
    bind(source, target)
    # Flags that a user namespace has locked must stay (mount_namespaces(7)).
    kept = os.statvfs(target).f_flag & MS_KEPT
    mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | kept)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def build_root(etc):
    """A root folder with the system's programs read-only and nothing else of this machine, entered for good."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    root = next(each for each in ("/mnt", "/tmp", "/run") if os.path.isdir(each))
    mount("cnilab", root, "tmpfs", MS_NOSUID, "mode=755,size=1m")
    for name in ("usr", "etc", "proc", "dev", "tmp", "run", "root", "var"):
        os.mkdir(f"{root}/{name}")
    os.mkdir(f"{root}/var/tmp")
    bind_read_only("/usr", f"{root}/usr")
    for name in SYSTEM:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}"):
            os.mkdir(f"{root}/{name}")
            bind_read_only(f"/{name}", f"{root}/{name}")
    for name in SHARED_ETC.split():
        if os.path.isdir(f"/etc/{name}"):
            os.mkdir(f"{root}/etc/{name}")
        elif os.path.isfile(f"/etc/{name}"):
            write(f"{root}/etc/{name}", "")
        else:
            continue
        bind_read_only(f"/etc/{name}", f"{root}/etc/{name}")
    for name, text in etc.items():
        write(f"{root}/etc/{name}", text)
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV)
    for name in DEVICES:
        write(f"{root}/dev/{name}", "")
        bind(f"/dev/{name}", f"{root}/dev/{name}")
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{root}/dev/{name}")
    os.mkdir(f"{root}/dev/pts")
    mount("devpts", f"{root}/dev/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")
    os.symlink("pts/ptmx", f"{root}/dev/ptmx")
    mount("tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m")
    os.chdir(root)
    pivot = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
    check("pivot_root", libc.syscall(ctypes.c_long(pivot), b".", b"."))
    check("umount2", libc.umount2(b".", MNT_DETACH))
    mount(None, "/proc", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)
    mount(None, "/", None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID)
    os.chdir("/tmp")


def drop_capabilities(keep):
    for capability in range(64):
        # EINVAL for those that this kernel does not know.
        if capability not in keep:
            prctl(PR_CAPBSET_DROP, capability)
    mask = sum(1 << each for each in keep)
    header = struct.pack("=Ii", 0x20080522, 0)
    check("capset", libc.capset(header, struct.pack("=6I", mask, mask, 0, 0, 0, 0)))
    check("prctl", prctl(PR_SET_NO_NEW_PRIVS, 1))


def tie_to_parent(is_orphan):
    """Ends with the parent, however and whenever that one ends (PR_SET_PDEATHSIG says nothing of the time before it)."""
    check("prctl", prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    if is_orphan():
        os._exit(1)


def close_if_open(fd):
    try:
        os.close(fd)
    except OSError as error:
        # The descriptor that listed the folder is closed by now.
        if error.errno != errno.EBADF:
            raise


def reap(pid):
    """Takes leave of a command's first process and of those of its group that this agent inherited."""
    os.waitpid(pid, 0)
    try:
        while True:
            os.waitpid(-pid, 0)
    except ChildProcessError:
        pass


class Command:
    """A command in a place: forked, sandboxed, its output passed on, its whole process tree killed with it."""

    def __init__(self, agent, request, message):
        self.agent, self.request, self.argv = agent, request, message["argv"]
        self.place = Place(message["place"], agent.pods, agent.init)
        self.limit = message.get("limit")
        self.is_native, self.tty = message.get("native", False), message.get("tty")
        self.sent, self.status, self.timed_out, self.given_up = {"out": 0, "err": 0}, b"", False, False
        self.ready_port, self.tail, self.is_ready = message.get("readyPort"), b"", False
        self.input, self.input_ended = [], not message.get("input", False)
        self.started_at = time.perf_counter()
        self.fds = {}
        try:
            if self.ready_port is not None and self.listens():
                raise Failure("SERVE_FAILED", f"port {self.ready_port} of {self.place.name} is in use already")
            self.pid = self.start()
        except BaseException:
            self.place.close()
            raise
        self.is_ended = False
        if message.get("timeoutMs") is not None:
            agent.later(message["timeoutMs"] / 1000, self.time_out)
        if self.ready_port is not None:
            self.look(0.001)

    def start(self):
        etc = {
            "passwd": PASSWD,
            "group": GROUP,
            "nsswitch.conf": NSSWITCH,
            "resolv.conf": self.place.file("/etc/resolv.conf"),
            "hosts": self.place.file("/etc/hosts") or "127.0.0.1\tlocalhost\n",
            "hostname": self.place.file("/etc/hostname") or "localhost\n",
        }
        status_read, status_write = os.pipe()
        ours, theirs = {"status": status_read}, [status_write]
        if self.tty is not None:
            master, slave = pty.openpty()
            self.resize(self.tty, master)
            ours["out"], ours["in"] = master, os.dup(master)
            stdio = [slave, slave, slave]
            theirs.append(slave)
        else:
            out_read, out_write = os.pipe()
            err_read, err_write = os.pipe()
            ours["out"], ours["err"] = out_read, err_read
            if self.input_ended:
                in_read = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
            else:
                in_read, ours["in"] = os.pipe()
            stdio = [in_read, out_write, err_write]
            theirs += stdio
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self.child(parent, etc, stdio, status_write)
            except BaseException as error:
                os.write(status_write, f"E{error}\n".encode())
            finally:
                os._exit(1)
        for fd in theirs:
            os.close(fd)
        self.fds = ours
        for name, fd in ours.items():
            os.set_blocking(fd, False)
            if name != "in":
                self.agent.watch(fd, select.EPOLLIN, lambda _, name=name: self.readable(name))
        return pid

    def child(self, parent, etc, stdio, status):
        tie_to_parent(lambda: os.getppid() != parent)
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for fd, target in zip(stdio, (0, 1, 2)):
            os.dup2(fd, target)
        # The other ends of pipes, this command's and others': a reader must see their end.
        for fd in map(int, os.listdir("/proc/self/fd")):
            if fd > 2 and fd not in (status, self.place.fd):
                close_if_open(fd)
        setns(self.place.fd, CLONE_NEWNET)
        hostname = etc["hostname"].strip()
        if self.is_native:
            setns(os.open(f"/proc/{self.place.network[0]}/ns/mnt", os.O_RDONLY), CLONE_NEWNS)
            return self.supervise(status, hostname)
        check("unshare", libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS))
        alive_read, alive_write = os.pipe()
        # The first process of the new process namespace: all others in there die with it.
        first = os.fork()
        if first > 0:
            os.waitpid(first, 0)
            os._exit(0)
        os.close(alive_write)
        # A parent outside this process namespace has no number here, so that a pipe tells of it.
        tie_to_parent(lambda: bool(select.select([alive_read], [], [], 0)[0]))
        os.close(alive_read)
        socket.sethostname(hostname[:64])
        build_root(etc)
        drop_capabilities([CAP_SETGID, CAP_NET_BIND_SERVICE, CAP_NET_RAW] + ([] if self.place.is_pod else [CAP_NET_ADMIN]))
        return self.supervise(status, hostname)

    def supervise(self, status, hostname):
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                tie_to_parent(lambda: os.getppid() != own)
                if self.tty is not None:
                    os.setsid()
                    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
                term = (self.tty or {}).get("term", "dumb")
                env = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "HOSTNAME": hostname, "TERM": term}
                os.execvpe(self.argv[0], self.argv, env)
            except FileNotFoundError:
                where = "the node" if self.is_native else "the agent's machine or image"
                os.write(status, f"E{where} has no such program\n".encode())
            except BaseException as error:
                os.write(status, f"E{error}\n".encode())
            os._exit(127)
        while True:
            ended, code = os.wait()
            if ended == pid:
                break
        os.write(status, f"X{code}\n".encode())
        os._exit(0)

    def readable(self, name):
        fd = self.fds[name]
        if name != "status" and self.agent.is_full():
            self.agent.hold(fd)
            return
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            # How the last close of a terminal's other end shows (pty(7)).
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self.agent.unwatch(fd)
            os.close(self.fds.pop(name))
            if not self.fds.keys() & {"out", "err", "status"}:
                self.end()
        elif name == "status":
            self.status += data
        elif self.ready_port is not None:
            self.tail = (self.tail + data)[-2000:]
        else:
            kept = data if self.limit is None else data[: max(0, self.limit - self.sent[name])]
            self.sent[name] += len(data)
            if kept:
                self.agent.send({"id": self.request, name: base64.b64encode(kept).decode()})

    def take_input(self, message):
        data = base64.b64decode(message.get("data", ""))
        if "in" not in self.fds:
            self.agent.send({"id": self.request, "took": len(data)})
            return
        if data:
            self.input.append(data)
        self.input_ended = self.input_ended or message.get("end", False)
        self.write_input()

    def write_input(self):
        fd = self.fds.get("in")
        while fd is not None and self.input:
            try:
                count = os.write(fd, self.input[0])
            except BlockingIOError:
                self.agent.watch(fd, select.EPOLLOUT, lambda _: self.write_input())
                return
            except OSError:
                # A command may end without reading its input; its exit tells the rest.
                count = len(self.input[0])
                self.input_ended = True
            self.agent.send({"id": self.request, "took": count})
            self.input[0] = self.input[0][count:]
            if not self.input[0]:
                self.input.pop(0)
        if fd is not None:
            self.agent.unwatch(fd)
            if self.input_ended and self.tty is None:
                os.close(self.fds.pop("in"))

    def resize(self, size, fd=None):
        fd = self.fds.get("out") if fd is None else fd
        if self.tty is not None and fd is not None:
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", size["rows"], size["columns"], 0, 0))

    def listens(self):
        row = re.compile(rf"^\s*\d+: [0-9A-F]+:{self.ready_port:04X} [0-9A-F]+:0000 0A", re.M)
        return any(row.search(read_if_there(f"/proc/{self.place.network[0]}/net/{name}")) for name in ("tcp", "tcp6"))

    def look(self, wait_s):
        if self.is_ended or self.given_up:
            return
        if self.listens():
            self.is_ready = True
            self.agent.send({"id": self.request, "ready": True})
        else:
            self.agent.later(wait_s, lambda: self.look(min(wait_s * 2, 0.02)))

    def time_out(self):
        if not self.is_ended and not self.is_ready:
            self.timed_out = True
            self.kill()

    def kill(self):
        self.given_up = True
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            # Between fork and setsid(2) there is no such group.
            if not self.is_ended:
                os.kill(self.pid, signal.SIGKILL)

    def end(self):
        reap(self.pid)
        self.is_ended = True
        if "in" in self.fds:
            self.agent.unwatch(self.fds["in"])
            os.close(self.fds.pop("in"))
        try:
            self.report()
        except Failure as failure:
            self.agent.fail(self.request, failure)
        finally:
            self.place.close()

    def report(self):
        name = " ".join(self.argv)
        reports = self.status.decode(errors="replace").split("\n")
        failed = [line[1:] for line in reports if line.startswith("E")]
        codes = [int(line[1:]) for line in reports if line.startswith("X")]
        if failed:
            raise Failure("EXEC_NOT_STARTED", f"{name} could not be started: {failed[0]}")
        if not codes and not self.given_up:
            raise Failure("AGENT_FAILED", f"{name} ended in a way that is not known")
        wait = codes[0] if codes else signal.SIGKILL
        # A command that dies by itself of a signal ends as a shell would have it; the one that is killed here, by SIGKILL.
        name_of_signal = None if codes else "SIGKILL"
        exit_code = None if not codes else os.WEXITSTATUS(wait) if os.WIFEXITED(wait) else 128 + os.WTERMSIG(wait)
        if self.ready_port is not None and not self.is_ready:
            if self.timed_out:
                raise Failure("SERVE_FAILED", f"nothing listens on port {self.ready_port} in time")
            how = name_of_signal or f"exit code {exit_code}"
            raise Failure("SERVE_FAILED", f"{name} ended ({how}): {self.tail.decode(errors='replace').strip()}")
        if not self.given_up or self.timed_out:
            self.place.verify()
        self.agent.done(
            self.request,
            {
                "exitCode": exit_code,
                "signal": name_of_signal,
                "timedOut": self.timed_out,
                "durationMs": (time.perf_counter() - self.started_at) * 1000,
                "bytes": self.sent,
                "networkPid": self.place.network[0],
            },
        )


# The channel


class Agent:
    def __init__(self):
        self.epoll = select.epoll()
        self.callbacks, self.held, self.batch = {}, [], 0
        self.timers, self.order = [], itertools.count()
        self.work = {}
        self.incoming, self.outgoing, self.outgoing_size = bytearray(), [], 0
        self.pods = Pods()
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        first = stat_of(1)
        if os.geteuid() != 0 or first is None or os.getpid() == 1:
            raise SystemExit("the agent must be root in the process namespace of a node")
        self.init = (1, first[1])
        self.last_heard = time.monotonic()
        check("prctl", prctl(PR_SET_CHILD_SUBREAPER, 1))

    def watch(self, fd, events, callback):
        if fd in self.callbacks:
            self.epoll.modify(fd, events)
        else:
            self.epoll.register(fd, events)
        self.callbacks[fd] = (callback, self.batch)

    def unwatch(self, fd):
        if self.callbacks.pop(fd, None) is not None:
            self.epoll.unregister(fd)

    def is_full(self):
        return self.outgoing_size > OUTPUT_HIGH

    def hold(self, fd):
        """Reads no more from a command until what waits to be sent has gone."""
        self.held.append((fd, self.callbacks[fd][0]))
        self.unwatch(fd)

    def later(self, delay_s, callback):
        heapq.heappush(self.timers, (time.monotonic() + delay_s, next(self.order), callback))

    def send(self, message):
        data = (json.dumps(message, separators=(",", ":")) + "\n").encode()
        self.outgoing.append(data)
        self.outgoing_size += len(data)
        self.flush()

    def done(self, request, result):
        self.work.pop(request, None)
        self.send({"id": request, "ok": result})

    def fail(self, request, failure):
        self.work.pop(request, None)
        self.send({"id": request, "error": {"code": failure.code, "message": str(failure)}})

    def flush(self):
        while self.outgoing:
            try:
                count = os.write(1, self.outgoing[0])
            except BlockingIOError:
                self.watch(1, select.EPOLLOUT, lambda _: self.flush())
                return
            self.outgoing_size -= count
            if self.held and self.outgoing_size < OUTPUT_LOW:
                held, self.held = self.held, []
                for fd, callback in held:
                    self.watch(fd, select.EPOLLIN, callback)
            self.outgoing[0] = self.outgoing[0][count:]
            if not self.outgoing[0]:
                self.outgoing.pop(0)
        self.unwatch(1)

    def hear(self, _):
        data = os.read(0, 1 << 18)
        if not data:
            raise EOFError
        self.last_heard = time.monotonic()
        self.incoming += data
        *lines, rest = self.incoming.split(b"\n")
        if len(rest) > LINE_LIMIT:
            raise SystemExit("a message is too long")
        self.incoming = bytearray(rest)
        for line in lines:
            self.handle(json.loads(line))

    def handle(self, message):
        request, op = message["id"], message["op"]
        try:
            if op == "ping":
                self.done(request, {})
            elif op == "sweep":
                self.work[request] = None
                sweep = Sweep(self, request, message)
                if not sweep.is_over:
                    self.work[request] = sweep
            elif op == "echo":
                self.work[request] = Echo(self, request, message)
            elif op == "run":
                self.work[request] = Command(self, request, message)
            elif self.work.get(request) is None:
                # It ended while this was on its way.
                return
            elif op == "input":
                self.work[request].take_input(message)
            elif op == "resize":
                self.work[request].resize(message)
            elif op == "kill":
                self.work[request].kill()
            else:
                raise Failure("UNKNOWN_METHOD", f"the agent knows no {op}")
        except Failure as failure:
            self.fail(request, failure)
        except OSError as error:
            self.fail(request, Failure("AGENT_FAILED", f"{op}: {error}"))

    def run(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        self.watch(0, select.EPOLLIN, self.hear)
        hello = {"protocol": PROTOCOL, "python": ".".join(map(str, sys.version_info[:3])), "machine": os.uname().machine}
        greeting = f"\n#cnilab-agent {json.dumps(hello)}\n".encode()
        self.outgoing.append(greeting)
        self.outgoing_size += len(greeting)
        self.flush()
        while time.monotonic() - self.last_heard < SILENCE_S:
            wait_s = min(self.timers[0][0] - time.monotonic(), 10) if self.timers else 10
            self.batch += 1
            for fd, events in self.epoll.poll(max(0, wait_s)):
                callback, since = self.callbacks.get(fd, (None, 0))
                # A descriptor watched since then may have the number of one whose event this was.
                if callback is not None and since != self.batch:
                    callback(events)
            while self.timers and self.timers[0][0] <= time.monotonic():
                heapq.heappop(self.timers)[2]()

    def close(self):
        """Nothing outlives the agent: each command's first process is killed, and with it all that it started."""
        for work in list(self.work.values()):
            if isinstance(work, Command) and not work.is_ended:
                work.kill()
                reap(work.pid)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    agent = Agent()
    try:
        agent.run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        agent.close()


main()
