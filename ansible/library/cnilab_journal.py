#!/usr/bin/python
"""Writes down what a machine is before a lab changes it, once, and tells what is to know of it."""

DOCUMENTATION = """
module: cnilab_journal
short_description: A machine's state before a lab, kept on the machine
description:
  - Writes a journal into /var/lib/cnilab/LAB/journal unless there is one; M(cnilab_give_back) reads it.
  - Refuses a machine that another lab has, or that is in a cluster.
options:
  lab: {type: str, required: true, description: The lab's name.}
  kept: {type: list, elements: str, required: true, description: Files and folders whose contents are kept.}
  watched: {type: list, elements: str, required: true, description: Those of which it is kept whether they are there.}
  services: {type: list, elements: str, required: true, description: Units of systemd.}
author: cnilab
"""

import os
import platform
import shutil

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils import cnilab_before
from ansible.module_utils.basic import AnsibleModule

# What kubeadm, the kubelet and kube-proxy call; the packages that have it are named by the role.
TOOLS = ["conntrack", "ethtool", "ip", "iptables", "mount", "nsenter", "tc"]


def facts():
    release = dict(line.split("=", 1) for line in (machine.text_of("/etc/os-release") or "").splitlines() if "=" in line)
    families = (release.get("ID", "") + " " + release.get("ID_LIKE", "")).replace('"', "").split()
    is_unified = machine.is_unified()
    # Programs of other folders than sudo's secure_path has, too.
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    selinux = machine.text_of("/sys/fs/selinux/enforce")
    return {
        "family": "debian" if "debian" in families else "redhat" if {"rhel", "fedora"} & set(families) else "",
        "system": release.get("PRETTY_NAME", "unknown").strip('"'),
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "cgroup_version": 2 if is_unified else 1,
        "has_systemd": os.path.isdir("/run/systemd/system"),
        "is_container": machine.succeeds(["systemd-detect-virt", "--container", "--quiet"]),
        "has_containerd": shutil.which("containerd", path=path) is not None,
        "missing_tools": [tool for tool in TOOLS if shutil.which(tool, path=path) is None],
        "has_overlay": "overlay" in [line.split()[-1] for line in (machine.text_of("/proc/filesystems") or "").splitlines()],
        "has_bridge_filter": os.path.isdir("/proc/sys/net/bridge"),
        "firewalls": [name for name in ("firewalld", "ufw") if is_active_firewall(name)],
        "selinux": "enforcing" if selinux == "1" else "permissive" if selinux == "0" else "disabled",
    }


def is_active_firewall(name):
    # ufw's unit is active even where ufw itself is switched off.
    if name == "ufw" and "ENABLED=yes" not in (machine.text_of("/etc/ufw/ufw.conf") or ""):
        return False
    return machine.service(name)["active"]


def begin(module, journal):
    parameters = module.params
    for path, what in dict(cnilab_before.KUBEADM, **cnilab_before.STRANGE).items():
        if os.path.exists(path):
            module.fail_json(msg="%s is there: this machine is in %s. A lab does not touch it; take the machine out of "
                                 "the cluster first (kubeadm reset), or use another." % (path, what))
    for path in cnilab_before.too_large(parameters["kept"]):
        module.fail_json(msg="%s is larger than 1 GiB, too large to be kept for giving it back" % path)
    # Begun anew where a first try was ended in the middle of it: nothing is changed before the last line here.
    started = journal + ".begun"
    shutil.rmtree(started, ignore_errors=True)
    os.makedirs(started, mode=0o700)
    before = cnilab_before.before(parameters["lab"], parameters, started)
    machine.write_json(started + "/before.json", before)
    os.rename(started, journal)


def main():
    strings = {"type": "list", "elements": "str", "required": True}
    module = AnsibleModule(argument_spec={"lab": {"type": "str", "required": True}, "kept": strings, "watched": strings,
                                          "services": strings})
    lab = module.params["lab"]
    journal = machine.journal_of(lab)
    labs = sorted(os.listdir(machine.JOURNALS)) if os.path.isdir(machine.JOURNALS) else []
    others = [other for other in labs if other != lab and os.path.exists(machine.journal_of(other))]
    if others:
        module.fail_json(msg="lab %s has this machine: end it first (cnilab down, or ansible-playbook reset.yaml "
                             "-e cnilab_lab=%s)" % (others[0], others[0]))
    is_new = not os.path.isdir(journal)
    if is_new:
        begin(module, journal)
    module.exit_json(changed=is_new, machine=facts())


if __name__ == "__main__":
    main()
