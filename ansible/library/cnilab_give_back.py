#!/usr/bin/python
"""Gives a machine back as its journal says it was, one part after another."""

DOCUMENTATION = """
module: cnilab_give_back
short_description: A machine as it was before a lab
description:
  - Goes by what is there and what the journal has, not by what was done, so that it does not matter where a lab was ended.
  - Only things of Kubernetes and the CNIs are taken away; what else came since stays, and is told as C(left).
options:
  lab: {type: str, required: true, description: The lab's name.}
  part:
    type: str
    required: true
    choices: [processes, network, packages, files, kernel, journal]
    description: What to give back; in this order.
author: cnilab
"""

import os
import shutil

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils import cnilab_tree as tree
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cnilab_give_kernel import Kernel
from ansible.module_utils.cnilab_give_network import Network
from ansible.module_utils.cnilab_give_processes import Processes
from ansible.module_utils.cnilab_give_software import Software


class Machine(Processes, Network, Software, Kernel):
    def end(self):
        shutil.rmtree(self.journal)
        folder = os.path.dirname(self.journal)
        tree.remove(os.path.join(folder, "images"))
        for path in (folder, machine.JOURNALS):
            # The lab's lease may be there yet.
            if not os.listdir(path):
                os.rmdir(path)
        self.changes.append("journal")


def main():
    parts = ["processes", "network", "packages", "files", "kernel", "journal"]
    module = AnsibleModule(argument_spec={
        "lab": {"type": "str", "required": True},
        "part": {"type": "str", "required": True, "choices": parts},
    })
    journal = machine.journal_of(module.params["lab"])
    shutil.rmtree(journal + ".begun", ignore_errors=True)
    if not os.path.isdir(journal):
        module.exit_json(changed=False, changes=[], left=[])
    given = Machine(journal)
    part = module.params["part"]
    {"processes": given.processes, "network": given.network, "packages": given.packages, "files": given.files,
     "kernel": given.kernel, "journal": given.end}[part]()
    if given.left:
        module.fail_json(msg="could not be given back: %s. The journal stays: run reset.yaml again." % "; ".join(given.left),
                         changes=given.changes, left=given.left)
    module.exit_json(changed=bool(given.changes), changes=given.changes, left=[])


if __name__ == "__main__":
    main()
