#!/usr/bin/python
"""Lets what is left of a cluster on a machine count as a lab's, so that giving the machine back takes it away."""

DOCUMENTATION = """
module: cnilab_force
short_description: A machine's cluster as something that a lab brought
description:
  - Writes a journal that says what the machine is without Kubernetes, with a list of what goes; changes nothing else.
  - M(cnilab_give_back) then takes it away. Nothing is written where there is nothing to take.
  - Knows what kubeadm, the kubelet, Calico, Flannel and Weave leave; refuses clusters of another kind.
options:
  lab: {type: str, required: true, description: The lab's name.}
  kept: {type: list, elements: str, required: true, description: Files and folders whose contents are kept.}
  watched: {type: list, elements: str, required: true, description: Those of which it is kept whether they are there.}
  services: {type: list, elements: str, required: true, description: Units of systemd.}
author: cnilab
"""

import os
import shutil

from ansible.module_utils import cnilab_before
from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cnilab_bare import take_cluster_out


def main():
    strings = {"type": "list", "elements": "str", "required": True}
    module = AnsibleModule(argument_spec={"lab": {"type": "str", "required": True}, "kept": strings, "watched": strings,
                                          "services": strings})
    parameters = module.params
    journal = machine.journal_of(parameters["lab"])
    if os.path.isdir(journal):
        module.fail_json(msg="%s is there: run reset.yaml first" % journal)
    for path, what in cnilab_before.STRANGE.items():
        if os.path.exists(path):
            module.fail_json(msg="%s is there: this machine is in %s, which only its own tools can remove" % (path, what))
    large = [path for path in cnilab_before.too_large(parameters["kept"]) if path != "/etc/kubernetes"]
    if large:
        module.fail_json(msg="%s is larger than 1 GiB, too large to be kept" % ", ".join(large))
    started = journal + ".begun"
    shutil.rmtree(started, ignore_errors=True)
    os.makedirs(started, mode=0o700)
    before = cnilab_before.before(parameters["lab"], parameters, started)
    taken = take_cluster_out(before)
    if not taken:
        shutil.rmtree(started)
        folder = os.path.dirname(journal)
        for path in (folder, machine.JOURNALS):
            # The lab's lease may be there.
            if not os.listdir(path):
                os.rmdir(path)
        module.exit_json(changed=False, taken=[])
    machine.write_json(started + "/taken.json", taken)
    machine.write_json(started + "/before.json", before)
    os.rename(started, journal)
    module.exit_json(changed=True, taken=taken)


if __name__ == "__main__":
    main()
