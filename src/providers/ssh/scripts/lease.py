"""Takes, renews, gives back or reads the lease of this machine; the rules are in docs/providers/ssh-machines.md.

Python 3.6 or later, root. One JSON object on standard output says how it went. What decides is done under flock(2) on the lease's
folder, which ends with this process; the file itself only ever changes by rename(2).
"""

import errno
import fcntl
import hashlib
import json
import os
import sys
import time

FOLDER = "/var/lib/cnilab"
NAME = "lease.json"
# All that a holder may have put beside the lease.
OWN = ("lease.json.new", "footprint.json.gz", "footprint.json.gz.new")
SIZE_LIMIT = 16 << 10
PATIENCE_S = 10


def boot_id():
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def now():
    return {"wall": time.time(), "boot": boot_id(), "uptime": time.clock_gettime(time.CLOCK_BOOTTIME)}


def open_folder(make):
    """The folder, locked; None where there is none and none was to be made."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if make:
                os.makedirs(FOLDER, mode=0o755, exist_ok=True)
            folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            if make:
                continue
            return None
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(folder)
                    raise TimeoutError("the lease is being changed by somebody else for %d s" % PATIENCE_S)
                time.sleep(0.005)
        # Whoever had the lock before may have removed the folder.
        try:
            there = os.stat(FOLDER, follow_symlinks=False)
            if (there.st_dev, there.st_ino) == (os.fstat(folder).st_dev, os.fstat(folder).st_ino):
                return folder
        except FileNotFoundError:
            pass
        os.close(folder)
    raise TimeoutError("the lease's folder comes and goes for %d s" % PATIENCE_S)


def read(folder):
    """
    {"kind": "free" | "held" | "unreadable", ...}; what is in a file that is held is for the other side to judge. The digest says which
    file was seen; one that cannot be read and yet has a token may be of another version of cnilab.
    """
    try:
        file = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return {"kind": "free"}
    except OSError as error:
        return unreadable(error.strerror)
    with os.fdopen(file, "rb") as stream:
        try:
            content = stream.read(SIZE_LIMIT + 1)
        except OSError as error:
            return unreadable(error.strerror)
    digest = hashlib.sha256(content).hexdigest()
    if len(content) > SIZE_LIMIT:
        return unreadable("it has more than %d bytes" % SIZE_LIMIT, digest)
    lease = None
    try:
        lease = json.loads(content.decode("utf-8"))
        ages = {name: age(lease[name]) for name in ("since", "renewed")}
    except (ValueError, KeyError, TypeError, RecursionError):
        return unreadable("it is not a whole lease", digest, isinstance(lease, dict) and "token" in lease)
    return {"kind": "held", "lease": lease, "ages": ages, "rebooted": lease["renewed"]["boot"] != boot_id(), "digest": digest}


def unreadable(reason, digest="", has_token=False):
    return {"kind": "unreadable", "reason": reason, "digest": digest, "hasToken": has_token}


def age(moment):
    """Seconds since then: by the clock that nobody sets where the machine was not started anew, else by the wall clock."""
    if moment["boot"] == boot_id():
        return max(0.0, now()["uptime"] - float(moment["uptime"]))
    return max(0.0, time.time() - float(moment["wall"]))


def write(folder, lease):
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    file = os.open(NAME + ".new", flags, 0o600, dir_fd=folder)
    with os.fdopen(file, "w") as stream:
        json.dump(lease, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(NAME + ".new", NAME, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def is_ours(state, owner):
    return state["kind"] == "held" and isinstance(state["lease"], dict) and state["lease"].get("token") == owner["token"]


def acquire(folder, request):
    before = read(folder)
    ours = is_ours(before, request["owner"])
    # Only the very file that was judged: one that was renewed meanwhile has a living owner.
    if before["kind"] != "free" and not ours and request["over"] != before["digest"]:
        return {"done": False, "before": before}
    moment = now()
    since = before["lease"]["since"] if ours else moment
    lease = dict(request["owner"], version=1, since=since, renewed=moment, phase=request["phase"])
    write(folder, lease)
    return {"done": True, "before": before}


def renew(folder, request):
    before = read(folder)
    if not is_ours(before, request["owner"]):
        return {"done": False, "before": before}
    write(folder, dict(before["lease"], renewed=now(), phase=request["phase"]))
    return {"done": True, "before": before}


def remove(name, folder):
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass


def release(folder, request):
    before = read(folder)
    if not is_ours(before, request["owner"]):
        return {"done": False, "before": before}
    for name in OWN:
        remove(name, folder)
    # The lease last: until then the machine is not free.
    remove(NAME, folder)
    return {"done": True, "before": before}


def remove_if_empty():
    """A folder with what is not ours in it stays."""
    try:
        os.rmdir(FOLDER)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise


def machine_id():
    """machine-id(5): in what order several machines are taken, the same for all who want them."""
    try:
        with open("/etc/machine-id") as file:
            return file.read(64).strip()
    except FileNotFoundError:
        return ""


def main(request):
    verb = request["verb"]
    folder = open_folder(make=verb == "acquire")
    if folder is None:
        return {"done": verb == "read", "before": {"kind": "free"}}
    try:
        if verb == "read":
            return {"done": True, "before": read(folder)}
        return {"acquire": acquire, "renew": renew, "release": release}[verb](folder, request)
    finally:
        if verb in ("acquire", "release"):
            remove_if_empty()
        os.close(folder)


# REQUEST is put before this file by who sends it.
try:
    json.dump(dict(main(REQUEST), machineId=machine_id()), sys.stdout)  # noqa: F821
except OSError as error:
    sys.exit("%s: %s" % (FOLDER, error))
