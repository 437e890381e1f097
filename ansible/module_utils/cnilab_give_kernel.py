"""Puts the kernel's settings back."""

import os
import re

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils.cnilab_giver import Giver, is_container, wait_for

MODULES = re.compile(r"^(br_netfilter|overlay|vxlan|ipip|tunnel4|ip_tunnel|ip6_udp_tunnel|udp_tunnel|wireguard|ip_set.*|ip_vs.*|xt_.*"
                     r"|nf_.*|nft_.*|nfnetlink.*|ip_tables|ip6_tables|iptable_.*|ip6table_.*|x_tables|veth|bridge|stp|llc|dummy)$")


class Kernel(Giver):
    def kernel(self):
        for path in machine.cgroups():
            if path not in self.before["cgroups"]:
                self.take_cgroup(path)
        self.take_sysctls()
        # The modules of a container are those of a kernel that others have as well.
        if is_container():
            return
        came = [name for name in machine.modules() if name not in self.before["modules"] and MODULES.match(name)]
        # In the order of /proc/modules: users stand before what they use. One in use stays, and with it what it needs.
        for name in came:
            if machine.succeeds(["modprobe", "--remove", name]):
                self.changes.append("kernel module " + name)

    def take_cgroup(self, root):
        def remove_all():
            for folder, _, _ in os.walk(root, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    continue
            return not os.path.exists(root)
        ok = wait_for(remove_all)
        (self.changes if ok else self.left).append("cgroup " + root)

    def take_sysctls(self):
        former = self.before["sysctls"]
        # Forwarding resets others when it changes, and `all` writes into each interface's: those first, then what differs still.
        first = ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv6/conf/all/forwarding"]
        written = set()
        for _ in range(3):
            now = machine.sysctls()
            differing = [name for name, value in former.items() if name in now and now[name] != value]
            for name in sorted(differing, key=lambda n: (n not in first, "/all/" not in n, n)):
                if set_sysctl(name, former[name]):
                    written.add(name)
        self.changes += ["sysctl " + name.replace("/", ".") for name in sorted(written)]
        now = machine.sysctls()
        self.left += ["sysctl " + name.replace("/", ".") for name in written if now.get(name) != former[name]]


def set_sysctl(name, value):
    try:
        with open("/proc/sys/" + name, "w", encoding="utf-8") as file:
            file.write(value)
        return True
    except OSError:
        # Not writable in this namespace; then nothing of ours has changed it either.
        return False
