#!/usr/bin/python
"""Installs packages and writes down which ones came with it, so that just these are removed again."""

DOCUMENTATION = """
module: cnilab_packages
short_description: Packages that go again with the lab
description:
  - Installs what is missing by apt-get or dnf; what is there is never upgraded, and nothing is removed for it.
options:
  lab: {type: str, required: true, description: The lab's name.}
  names: {type: list, elements: str, required: true, description: "As the package manager takes them: NAME or NAME=VERSION."}
  refresh: {type: bool, default: true, description: Whether package lists are fetched first.}
author: cnilab
"""

import os
import re
import shutil

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils.basic import AnsibleModule


def plain(name):
    """A package's name without version and architecture."""
    return re.sub(r"[:.](amd64|arm64|armhf|i386|all|x86_64|aarch64|noarch|i686)$", "", re.sub(r"[=].*$", "", name))


def install(names, refresh):
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    if shutil.which("apt-get"):
        wait = ["-o", "DPkg::Lock::Timeout=120"]
        if refresh:
            machine.run(["apt-get", "update", "-q"] + wait)
        machine.run(["apt-get", "install", "-q", "-y", "--no-upgrade", "--no-remove", "--no-install-recommends"] + wait + names)
    elif shutil.which("dnf"):
        # dnf writes NAME-VERSION.
        machine.run(["dnf", "install", "-q", "-y", "--setopt=install_weak_deps=False"] + [n.replace("=", "-") for n in names])
    else:
        raise RuntimeError("neither apt-get nor dnf is there")


def main():
    module = AnsibleModule(argument_spec={
        "lab": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str", "required": True},
        "refresh": {"type": "bool", "default": True},
    })
    path = os.path.join(machine.journal_of(module.params["lab"]), "packages.json")
    record = machine.read_json(path) or {"came": [], "before": None}
    before = machine.packages()
    there = {plain(name) for name in before}
    missing = [name for name in module.params["names"] if plain(name) not in there]
    if not missing:
        module.exit_json(changed=False, installed=[])
    # Written first: if we die meanwhile, what is there beyond this list is what came. An earlier such list goes before.
    record["before"] = record["before"] or sorted(before)
    machine.write_json(path, record)
    try:
        install(missing, module.params["refresh"])
    except RuntimeError as error:
        module.fail_json(msg="%s could not be installed: %s" % (", ".join(missing), error))
    after = machine.packages()
    came = sorted(set(after) - set(record["before"]))
    upgraded = sorted(name for name, version in before.items() if after.get(name, version) != version)
    machine.write_json(path, {"came": sorted(set(record["came"]) | set(came)), "before": None})
    if upgraded:
        module.warn("packages that were there have another version now, which is not given back: " + ", ".join(upgraded))
    module.exit_json(changed=True, installed=came)


if __name__ == "__main__":
    main()
