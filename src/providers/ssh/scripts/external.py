"""Starts and ends the web server of the host outside the cluster (external-server.py), a transient service of systemd's.

Python 3.9 or later, root. Service and file are in /run alone: a restart of the machine forgets both. One JSON object on standard
output.
"""

import json
import os
import subprocess
import sys

FOLDER = "/run/cnilab"
FILE = FOLDER + "/external-server.py"
UNIT = "cnilab-external.service"
# Nobody, and only what a server on a port below 1024 needs.
PROPERTIES = (
    "Type=notify",
    "TimeoutStartSec=15s",
    "TimeoutStopSec=5s",
    "Restart=on-failure",
    "User=nobody",
    "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
    "NoNewPrivileges=yes",
)
ENVIRONMENT = dict(os.environ, LC_ALL="C", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


def run(*argv):
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=40, env=ENVIRONMENT
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def is_active():
    return run("systemctl", "is-active", "--quiet", UNIT)[0] == 0


def written():
    try:
        with open(FILE) as file:
            return file.read()
    except FileNotFoundError:
        return None


def start(server):
    """One that runs and is the very same stays; another, of a lab that is dead, ends first."""
    if is_active() and written() == server:
        return {}
    stop()
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    with open(FILE, "w") as file:
        file.write(server)
    os.chmod(FILE, 0o644)
    properties = ["--property=" + each for each in PROPERTIES]
    command = ["systemd-run", "--quiet", "--collect", "--unit=" + UNIT] + properties + ["--", sys.executable, "-I", FILE]
    # It comes back when the server has said that it listens.
    code, _, said = run(*command)
    if code == 0:
        return {}
    journal = run("journalctl", "--unit", UNIT, "--lines", "20", "--output", "cat", "--no-pager")[1]
    reasons = [line for line in journal.splitlines() if "Error" in line] or said.strip().splitlines() or ["exit code %s" % code]
    stop()
    return {"problem": reasons[-1].strip()[:400]}


def stop():
    """Idempotent; says whether there was anything."""
    was = written() is not None or is_active()
    run("systemctl", "stop", UNIT)
    # One that has failed is remembered until then.
    run("systemctl", "reset-failed", UNIT)
    try:
        os.unlink(FILE)
    except FileNotFoundError:
        pass
    try:
        os.rmdir(FOLDER)
    except OSError:
        # There is none, or another of ours is in it.
        pass
    if is_active():
        return {"problem": "it does not end"}
    return {"stopped": was}


# REQUEST is put before this file by who sends it.
json.dump(start(REQUEST["server"]) if REQUEST["verb"] == "start" else stop(), sys.stdout)  # noqa: F821
