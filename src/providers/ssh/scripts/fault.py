"""Breaks a link of this machine, with a switch on the machine that mends it should nobody come back; mends it.

Python 3.6 or later, root. What is needed to mend a link is in /run/cnilab/link-NAME before the link is touched. Whoever renames that
folder mends: the switch, a timer of systemd, or the controller. A restart of the machine forgets both, and has its links as its
own configuration makes them. One JSON object on standard output.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time

FOLDER = "/run/cnilab"
PATIENCE_S = 15
ENVIRONMENT = dict(os.environ, LC_ALL="C", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

# $1 the folder, $2 the link. Addresses of IPv6 go with the link (addrconf_ifdown), and so do all routes but those to IPv4 addresses.
MEND = """PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mv "$1" "$1.mending" 2> /dev/null || exit 0
cd "$1.mending" || exit 1
failed=0
if [ -e shaped ]; then tc qdisc del dev "$2" root || failed=1; fi
if [ -e routes4 ]; then
  ip link set dev "$2" up || failed=1
  ip -6 address restore < addresses6 || failed=1
  ip -4 route restore < routes4 || failed=1
  ip -6 route restore < routes6 || failed=1
fi
cd / && rm -rf "$1.mending"
rmdir /run/cnilab 2> /dev/null
exit $failed
"""


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def run(*argv, **options):
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, env=ENVIRONMENT, **options
    )


def must(*argv):
    done = run(*argv)
    if done.returncode != 0:
        raise OSError("%s: %s" % (" ".join(argv), done.stderr.decode(errors="replace").strip()[:300]))
    return done.stdout


def unit_of(link):
    return "cnilab-mend-%d-%s" % (index_of(link), re.sub("[^A-Za-z0-9]", "_", link))


def index_of(link):
    with open("/sys/class/net/%s/ifindex" % link) as file:
        return int(file.read())


def later(unit, delay_ms, argv):
    """Runs a command then, whatever becomes of us and of the session that we came by."""
    if os.path.isdir("/run/systemd/system") and shutil.which("systemd-run", path=ENVIRONMENT["PATH"]):
        timer = ["--unit=" + unit, "--on-active=%dms" % delay_ms, "--timer-property=AccuracySec=50ms"]
        must("systemd-run", "--quiet", "--collect", *timer, "--", *argv)
        return "systemd"
    script = 'sleep "$1"; shift; exec "$@"'
    subprocess.Popen(
        ["sh", "-c", script, "sh", "%.3f" % (delay_ms / 1000)] + list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env=ENVIRONMENT,
    )
    return "sh"


def disarm(link):
    unit = unit_of(link)
    # Of the service only what has not started yet: one that mends must not be cut short.
    run("systemctl", "stop", unit + ".timer")


def arm(link, folder, duration_ms):
    script = "%s/mend" % folder
    # The script is read from its folder's new name as well as from the old: sh has it open.
    return later(unit_of(link), duration_ms, ["/bin/sh", script, folder, link])


def under(link):
    """A device and those that it stands on: ports of a bridge or a bond, the parent of a VLAN."""
    found, left = set(), [link]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            names = os.listdir("/sys/class/net/" + one) if os.path.isdir("/sys/class/net/" + one) else []
            left.extend(name[len("lower_") :] for name in names if name.startswith("lower_"))
    return found


def is_our_way(link, client):
    if not client:
        return False
    done = run("ip", "-j", "route", "get", client)
    if done.returncode != 0 or not done.stdout.strip():
        return False
    return link in under(json.loads(done.stdout.decode())[0].get("dev", ""))


def prepared(link):
    """The folder of a link that is about to be broken; made whole under another name, so that it is never half there."""
    folder = "%s/link-%s" % (FOLDER, link)
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    if any(os.path.exists("%s/%s" % (folder, what)) for what in ("shaped", "routes4")):
        return folder, True
    # Whoever made it came no further, and the link is as it was.
    shutil.rmtree(folder, ignore_errors=True)
    fresh = folder + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.mkdir(fresh, 0o700)
    with open(fresh + "/mend", "w") as file:
        file.write(MEND)
    os.rename(fresh, folder)
    return folder, False


def save(folder, name, *argv):
    with open("%s/%s" % (folder, name), "wb") as file:
        file.write(must(*argv))


def is_up(link):
    with open("/sys/class/net/%s/flags" % link) as file:
        return int(file.read(), 16) & 1 == 1


def known(link):
    if not re.match(r"^[^/\s]{1,15}$", link) or link in (".", "..") or not os.path.isdir("/sys/class/net/" + link):
        raise Refused("FAULT_NO_INTERFACE", "it has no interface %s; it has %s" % (link, ", ".join(sorted(os.listdir("/sys/class/net")))))


def cut(request):
    link = request["interface"]
    known(link)
    ours = is_our_way(link, request["client"])
    if ours and not request["isBounded"]:
        raise Refused("FAULT_NEEDS_DURATION", "we come by %s: only its switch could mend it" % link)
    folder, again = prepared(link)
    if again and not os.path.exists(folder + "/routes4"):
        raise one_at_a_time(link)
    if again:
        disarm(link)
    else:
        if not is_up(link):
            shutil.rmtree(folder)
            raise Refused("FAULT_LINK_DOWN", "%s is down already, and not by a fault of ours" % link)
        save(folder, "addresses6", "ip", "-6", "address", "save", "dev", link)
        save(folder, "routes6", "ip", "-6", "route", "save", "table", "all", "dev", link)
        save(folder, "routes4", "ip", "-4", "route", "save", "table", "all", "dev", link)
    by = arm(link, folder, request["durationMs"])
    down = ["ip", "link", "set", "dev", link, "down"]
    if ours:
        # Our answer goes first.
        later(unit_of(link) + "-cut", 300, [shutil.which("ip", path=ENVIRONMENT["PATH"])] + down[1:])
    else:
        must(*down)
    return {"isOurWay": ours, "switch": by}


def one_at_a_time(link):
    return Refused("FAULT_NOT_POSSIBLE", "%s has another fault of ours, which is to be restored first" % link)


def shape(request):
    link = request["interface"]
    known(link)
    kind = request["qdisc"]
    tried = run("unshare", "--net", "--", "tc", "qdisc", "add", "dev", "lo", "root", *kind)
    if tried.returncode != 0:
        said = tried.stderr.decode(errors="replace").strip().splitlines() or ["tc failed"]
        raise Refused("FAULT_NOT_POSSIBLE", "its kernel cannot shape by %s: %s" % (kind[0], said[0][:200]))
    folder, again = prepared(link)
    if again:
        raise one_at_a_time(link)
    roots = [each for each in must("tc", "qdisc", "show", "dev", link).decode().splitlines() if " root " in each + " "]
    if any(each.split()[2] != "0:" for each in roots):
        shutil.rmtree(folder)
        raise Refused("FAULT_NOT_POSSIBLE", "%s has a queueing discipline of its own: %s" % (link, roots[0]))
    open(folder + "/shaped", "w").close()
    by = arm(link, folder, request["durationMs"])
    must("tc", "qdisc", "replace", "dev", link, "root", *kind)
    return {"isOurWay": is_our_way(link, request["client"]), "switch": by}


def mend(request):
    link = request["interface"]
    known(link)
    folder = "%s/link-%s" % (FOLDER, link)
    ours = os.path.isdir(folder)
    wasCut = os.path.exists(folder + "/routes4")
    disarm(link)
    if ours:
        must("/bin/sh", folder + "/mend", folder, link)
    # The switch may be at it right now.
    deadline = time.monotonic() + PATIENCE_S
    while os.path.isdir(folder + ".mending"):
        if time.monotonic() > deadline:
            raise OSError("%s.mending is there for %d s: what mends the link does not end" % (folder, PATIENCE_S))
        time.sleep(0.05)
    if wasCut and not is_up(link):
        raise OSError("%s is still down" % link)
    return {"mended": ours}


try:
    verb = REQUEST["verb"]  # noqa: F821 - put before this file by who sends it
    json.dump({"cut": cut, "shape": shape, "mend": mend}[verb](REQUEST), sys.stdout)  # noqa: F821
except Refused as refused:
    json.dump({"code": refused.code, "message": str(refused)}, sys.stdout)
except (OSError, subprocess.TimeoutExpired) as error:
    sys.exit(str(error))
