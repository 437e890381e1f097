"""One part of giving a machine back."""

import time

from ansible.module_utils import cnilab_machine as machine

GONE_WITHIN_S = 20


class Giver:
    """What all parts have: the journal, and lists of what was given back and of what could not be."""

    def __init__(self, journal):
        self.before = machine.read_json(journal + "/before.json")
        self.journal = journal
        self.changes = []
        self.left = []

    def do(self, what, argv, stdin=None):
        """Runs a command; one that fails is told and does not keep the rest from being given back."""
        try:
            machine.run(argv, stdin)
            self.changes.append(what)
            return True
        except RuntimeError as error:
            self.left.append("%s (%s)" % (what, error))
            return False


def is_container():
    return machine.succeeds(["systemd-detect-virt", "--container", "--quiet"])


def wait_for(is_so):
    """Whether it became so within GONE_WITHIN_S; processes and cgroups end behind the call that ends them."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
