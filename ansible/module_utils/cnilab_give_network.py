"""Takes away what Kubernetes and the CNIs have put into the network."""

import json
import os

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils.cnilab_giver import Giver, is_container


class Network(Giver):
    def network(self):
        self.take_links()
        for command in machine.iptables_commands():
            self.take_rules(command)
        self.take_tables()
        for name in sorted(set(machine.ipsets()) - set(self.before["ipsets"]), key=is_plain_set):
            if machine.SETS.match(name):
                self.do("ipset " + name, ["ipset", "destroy", name])
        for route in machine.routes():
            if route in self.before["routes"]:
                continue
            if route["protocol"] in machine.PROTOCOLS or machine.LINKS.match(route["dev"]):
                argv = ["ip", route["family"], "route", "del"] + ([] if route["type"] == "unicast" else [route["type"]])
                self.do("route " + route["dst"], argv + [route["dst"], "table", route["table"]])

    def take_links(self):
        came = [name for name in machine.links() if name not in self.before["links"]]
        for name in came:
            # A pod's end in a bridge that is ours; other veths are somebody else's.
            owner = os.path.basename(os.path.realpath("/sys/class/net/%s/master" % name))
            is_ours = machine.LINKS.match(name) or (machine.LINKS.match(owner) and owner not in self.before["links"])
            if is_ours and os.path.exists("/sys/class/net/" + name):
                self.do("interface " + name, ["ip", "link", "delete", name])
        for name, kernel_module in machine.MODULE_LINKS.items():
            if name in came and not is_container():
                self.do("interface " + name, ["modprobe", "--remove", kernel_module])

    def take_rules(self, command):
        former = self.before["iptables"].get(command, {})
        for table, now in machine.iptables(command).items():
            was = former.get(table, {"chains": {}, "rules": []})
            ours = [name for name in now["chains"] if name not in was["chains"] and machine.CHAINS.match(name)]
            rules = list(now["rules"])
            for rule in was["rules"]:
                if rule in rules:
                    rules.remove(rule)
            # Rules of chains that go are flushed with them.
            rules = [rule for rule in rules if rule.split()[1] not in ours and machine.RULES.search(rule)]
            lines = ["-D" + rule[2:] for rule in rules] + ["-F " + name for name in ours] + ["-X " + name for name in ours]
            lines += ["-P %s %s" % (name, policy) for name, policy in was["chains"].items()
                      if policy != "-" and now["chains"].get(name) != policy]
            if lines:
                text = "\n".join(["*" + table] + lines + ["COMMIT", ""])
                what = "%d rules and %d chains of %s, table %s" % (len(rules), len(ours), command, table)
                self.do(what, [command + "-restore", "--noflush"], text)

    def take_tables(self):
        """Tables of nftables that came: those of Kubernetes, and iptables' own where nothing is in them any more."""
        for name in machine.nft_tables():
            if name in self.before["nft_tables"]:
                continue
            if machine.TABLES.match(name.split()[1]) or is_empty_table(name):
                self.do("nft table " + name, ["nft", "delete", "table"] + name.split())


def is_plain_set(name):
    """Sets of sets are destroyed before their members."""
    try:
        return "Type: list:set" not in machine.run(["ipset", "list", "-terse", name])
    except RuntimeError:
        return True


def is_empty_table(name):
    family, table = name.split()[:2]
    if family not in ("ip", "ip6") or table not in ("filter", "nat", "mangle", "raw", "security"):
        return False
    try:
        shown = json.loads(machine.run(["nft", "--json", "list", "table", family, table]))["nftables"]
    except RuntimeError:
        return False
    kinds = [(list(each)[0], list(each.values())[0]) for each in shown]
    return all(kind in ("metainfo", "table") or (kind == "chain" and value.get("policy", "accept") == "accept" and "hook" in value)
               for kind, value in kinds)
