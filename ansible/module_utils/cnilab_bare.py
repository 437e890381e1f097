"""A machine without its cluster: what a journal would say had Kubernetes never been there, and what goes for it to be so."""

import json
import os
import re

from ansible.module_utils import cnilab_machine as machine

# Folders that kubeadm, the kubelet and the CNIs make for themselves alone. A person's own, such as /root/.kube, stay.
FOLDERS = ["/etc/kubernetes", "/run/calico", "/run/flannel", "/run/kubernetes", "/run/nodeagent", "/var/lib/calico", "/var/lib/cni",
           "/var/lib/etcd", "/var/lib/kube-proxy", "/var/lib/kubelet", "/var/lib/weave", "/var/log/calico", "/var/log/containers",
           "/var/log/pods"]
# Of /etc/cni/net.d; other CNIs' configurations are refused before, and podman's is its own.
CNI_FILES = re.compile(r"^/etc/cni/net\.d/([0-9]+-)?(calico|flannel|weave)[^/]*(/.*)?$")
# The kubelet's mounts, containerd's of Kubernetes' namespace, and pods' network namespaces.
MOUNTS = re.compile(r"^(/var/lib/kubelet/|/run/netns/cni-|/run/(calico|flannel)/|/run/containerd/io\.containerd\.runtime\.v2\.task/k8s\.io/"
                    r"|/run/containerd/io\.containerd\.grpc\.v1\.cri/)")


def take_cluster_out(before):
    """Changes `before`, which says what the machine is, to what it is without its cluster; gives what goes, for people."""
    taken = []
    _take_services(before["services"], taken)
    _take_containers(before, taken)
    _take_paths(before, taken)
    _take_network(before, taken)
    return taken


def _take_services(services, taken):
    kubelet = services["kubelet"]
    if kubelet["active"] or kubelet["enabled"] == "enabled":
        taken.append("service kubelet, stopped and disabled")
        services["kubelet"] = {"enabled": "disabled" if kubelet["enabled"] == "enabled" else kubelet["enabled"], "active": False}


def _take_containers(before, taken):
    containers = (before["containerd"] or {"containers": []})["containers"]
    if containers:
        taken.append("%d containers of containerd's namespace %s, with what their pods have written" % (len(containers), machine.NAMESPACE))
        before["containerd"]["containers"] = []
    before["mounts"] = [path for path in before["mounts"] if not MOUNTS.match(path)]
    before["network_namespaces"] = [name for name in before["network_namespaces"] if not name.startswith("cni-")]
    before["cgroups"] = []


def _take_paths(before, taken):
    for path in FOLDERS:
        if not os.path.lexists(path):
            continue
        taken.append(path)
        if path in before["kept"]:
            before["kept"][path] = None
        if path in before["watched"]:
            before["watched"][path] = False
    kept = before["kept"].get("/etc/cni") or {}
    for path in [path for path in sorted(kept) if CNI_FILES.match(path)]:
        if kept[path]["kind"] != "folder":
            taken.append(path)
        del kept[path]


def _take_network(before, taken):
    links = [name for name in before["links"] if _is_link(name)]
    before["links"] = [name for name in before["links"] if name not in links]
    if links:
        taken.append("interfaces " + ", ".join(links))
    has_calico = os.path.isdir("/var/lib/calico")
    routes = [route for route in before["routes"]
              if route["dev"] in links or (has_calico and route["protocol"] in machine.PROTOCOLS)]
    before["routes"] = [route for route in before["routes"] if route not in routes]
    if routes:
        taken.append("routes to " + ", ".join(route["dst"] for route in routes))
    for command, tables in before["iptables"].items():
        count = 0
        for table in tables.values():
            chains = [name for name in table["chains"] if machine.CHAINS.match(name)]
            rules = [rule for rule in table["rules"] if machine.RULES.search(rule) or rule.split()[1] in chains]
            table["chains"] = {name: policy for name, policy in table["chains"].items() if name not in chains}
            table["rules"] = [rule for rule in table["rules"] if rule not in rules]
            count += len(chains) + len(rules)
        if count:
            taken.append("%d chains and rules of %s" % (count, command))
    for key, what, pattern in (("nft_tables", "nftables' table", machine.TABLES), ("ipsets", "ipset", machine.SETS)):
        gone = [name for name in before[key] if pattern.match(name.split()[-1])]
        before[key] = [name for name in before[key] if name not in gone]
        taken.extend("%s %s" % (what, name) for name in gone)


def _is_link(name):
    owner = os.path.basename(os.path.realpath("/sys/class/net/%s/master" % name))
    if machine.LINKS.match(name) or machine.LINKS.match(owner):
        return True
    # The module's own link has addresses where Calico uses it, and none elsewhere.
    return name in machine.MODULE_LINKS and any(
        each.get("addr_info") for each in json.loads(machine.run(["ip", "-j", "address", "show", "dev", name, "scope", "global"])))
