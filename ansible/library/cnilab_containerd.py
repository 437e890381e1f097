#!/usr/bin/python
"""Makes containerd fit for a kubelet, with as few changes as can be, and tells which cgroup driver it has."""

DOCUMENTATION = """
module: cnilab_containerd
short_description: What a kubelet and CNIs need of containerd's configuration
description:
  - Reads what is in force (containerd config dump) and writes /etc/containerd/config.toml where that does not do.
options:
  lab: {type: str, required: true, description: The lab's name.}
  sandbox_image: {type: str, default: "", description: The pause image; empty leaves what there is.}
author: cnilab
"""

import os

from ansible.module_utils import cnilab_containerd_config as config
from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils.basic import AnsibleModule

CONFIG = "/etc/containerd/config.toml"


def dump():
    text = machine.text_of(CONFIG)
    if text is None or config.with_cri(text) == text:
        return machine.run(["containerd", "config", "dump"])
    with open(CONFIG + ".new", "w", encoding="utf-8") as file:
        file.write(config.with_cri(text) + "\n")
    try:
        return machine.run(["containerd", "--config", CONFIG + ".new", "config", "dump"])
    finally:
        os.unlink(CONFIG + ".new")


def main():
    module = AnsibleModule(argument_spec={
        "lab": {"type": "str", "required": True},
        "sandbox_image": {"type": "str", "default": ""},
    })
    # A configuration that was there chose its cgroup driver, and may have containers that run under it. Where there was none,
    # systemd is to be the only one that manages the unified hierarchy; version 1 is left to runc's own default.
    before = machine.read_json(machine.journal_of(module.params["lab"]) + "/before.json")
    choices = dict(module.params, choose_driver=CONFIG not in (before["kept"]["/etc/containerd"] or {}),
                   is_systemd=machine.is_unified() and os.path.isdir("/run/systemd/system"))
    shown = dump()
    text, changes = config.rewrite(shown, choices)
    if machine.text_of(CONFIG) is not None and config.with_cri(machine.text_of(CONFIG)) != machine.text_of(CONFIG):
        changes.append("CRI switched on")
    if changes:
        os.makedirs(os.path.dirname(CONFIG), exist_ok=True)
        with open(CONFIG + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(CONFIG + ".new", CONFIG)
        machine.run(["systemctl", "restart", "containerd"])
    elif not machine.service("containerd")["active"]:
        machine.run(["systemctl", "start", "containerd"])
        changes = ["started"]
    module.exit_json(changed=bool(changes), changes=changes, cgroup_driver=config.cgroup_driver(text))


if __name__ == "__main__":
    main()
