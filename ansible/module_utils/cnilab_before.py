"""What a machine is before a lab changes it: the content of a journal."""

import os
import time

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils import cnilab_tree as tree

# What a node of a cluster has: kubeadm's own files, which can be taken away, and those of distributions for small machines.
KUBEADM = {
    "/etc/kubernetes/kubelet.conf": "a Kubernetes cluster (kubeadm)",
    "/etc/kubernetes/manifests/kube-apiserver.yaml": "a Kubernetes cluster (kubeadm)",
}
STRANGE = {
    "/var/lib/rancher": "a Kubernetes cluster (k3s or RKE2)",
    "/var/lib/k0s": "a Kubernetes cluster (k0s)",
    "/var/snap/microk8s": "a Kubernetes cluster (MicroK8s)",
}

# More than any plugin folder; a larger folder is not one that a CNI or kubeadm has written.
MOST_KEPT_BYTES = 1 << 30


def too_large(paths):
    def size_of(path):
        return sum(entry.get("size", 0) for entry in (tree.manifest(path) or {}).values())
    return [path for path in paths if size_of(path) > MOST_KEPT_BYTES]


def before(lab, parameters, folder):
    """Plain data; contents of what is kept are copied below `folder`. `parameters`: kept, watched, services."""
    return {
        "schema": 1,
        "lab": lab,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kept": {path: tree.keep(path, folder + "/files") for path in parameters["kept"]},
        "watched": {path: os.path.lexists(path) for path in parameters["watched"]},
        "services": {name: machine.service(name) for name in parameters["services"]},
        "links": machine.links(),
        "routes": machine.routes(),
        "iptables": {command: machine.iptables(command) for command in machine.iptables_commands()},
        "nft_tables": machine.nft_tables(),
        "ipsets": machine.ipsets(),
        "modules": machine.modules(),
        "mounts": machine.mounts(),
        "network_namespaces": machine.network_namespaces(),
        "cgroups": machine.cgroups(),
        "sysctls": machine.sysctls(),
        "containerd": machine.containerd(),
    }
