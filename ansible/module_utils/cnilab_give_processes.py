"""Ends what runs of Kubernetes, and what it holds."""

import os
import shutil
import signal

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils.cnilab_giver import Giver, wait_for

# Where kubelet, containerd's sandboxes and CNIs mount.
MOUNTS = ("/var/lib/kubelet", "/run/netns/", "/run/calico", "/var/run/calico", "/sys/fs/bpf", "/run/containerd/io.containerd.",
          "/run/flannel", "/var/lib/calico", "/var/lib/weave")
PROGRAMS = ("kubeadm", "kubelet")


class Processes(Giver):
    def processes(self):
        was_there = self.before["services"].get("kubelet", {}).get("active", False)
        if machine.service("kubelet")["active"] and not was_there:
            self.do("service kubelet stopped", ["systemctl", "stop", "kubelet"])
        self.kill_programs()
        self.end_pods()
        self.unmount()
        for name in set(machine.network_namespaces()) - set(self.before["network_namespaces"]):
            if name.startswith("cni-"):
                os.unlink("/run/netns/" + name)
                self.changes.append("network namespace " + name)

    def kill_programs(self):
        """A kubeadm whose ansible-playbook was killed goes on by itself; a kubelet may run without its unit."""
        if self.before["services"].get("kubelet", {}).get("active", False):
            return
        pids = [pid for pid in own_processes() if program_of(pid) in PROGRAMS]
        for pid in pids:
            try:
                os.kill(int(pid), signal.SIGKILL)
                self.changes.append("process " + pid)
            except ProcessLookupError:
                continue
        wait_for(lambda: not [pid for pid in pids if os.path.exists("/proc/" + pid)])

    def end_pods(self):
        former = self.before["containerd"] or {"containers": [], "images": []}
        if not shutil.which("ctr") or not (self.has_containers() or machine.containerd_answers()):
            return
        if not machine.containerd_answers() and not self.do("service containerd started", ["systemctl", "start", "containerd"]):
            return
        if not wait_for(machine.containerd_answers):
            self.left.append("containers (containerd does not answer)")
            return
        # All at once: nothing is left that would start one again, and CNI plugins are not asked, since Calico's would ask an API
        # server that is ending, too. A container may end with its sandbox, which ctr calls a failure, and one that the kubelet has
        # asked for may come yet: what counts is that none is there.
        if not wait_for(lambda: not self.kill_pods(set(former["containers"]))):
            self.left.append("containers " + ", ".join(sorted(self.kill_pods(set(former["containers"])))))

    def kill_pods(self, others):
        """Ends containers, their processes and their shims; gives the ids of those that were there."""
        def delete(kind, *flags):
            ids = set(line.split()[0] for line in machine.ctr(kind, "list").splitlines()[1:]) - others
            if ids:
                machine.succeeds(["ctr", "-n", machine.NAMESPACE, kind, "delete"] + list(flags) + sorted(ids))
            return ids
        found = delete("tasks", "--force") | delete("containers")
        # A shim that lost its containerd in between stays with what it has started.
        shims = {pid: shim_id(pid) for pid in own_processes()}
        orphans = {pid: name for pid, name in shims.items() if name and name not in others and not found}
        for pid in orphans:
            kill_tree(pid)
        self.changes += ["container " + name[:12] for name in sorted(found)]
        self.changes += ["shim of " + name[:12] for name in sorted(orphans.values())]
        return found | set(orphans.values())

    def has_containers(self):
        return os.path.isdir("/run/containerd/io.containerd.runtime.v2.task/" + machine.NAMESPACE)

    def unmount(self):
        came = [path for path in machine.mounts() if path.startswith(MOUNTS)]
        for path in self.before["mounts"]:
            if path in came:
                came.remove(path)
        for path in reversed(came):
            self.do("mount " + path, ["umount", "--lazy", path])


def own_processes():
    """Those of this machine itself: not of nodes in containers on it, such as kind's."""
    def namespace(pid):
        try:
            return os.readlink("/proc/%s/ns/pid" % pid)
        except OSError:
            # It has ended.
            return ""
    here = namespace("self")
    return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if namespace(pid) == here]


def program_of(pid):
    try:
        return os.path.basename(os.readlink("/proc/%s/exe" % pid)).replace(" (deleted)", "")
    except OSError:
        # It has ended, or is the kernel's.
        return ""


def shim_id(pid):
    """The container that a shim of Kubernetes' namespace is for; empty for all other processes."""
    words = (machine.text_of("/proc/%s/cmdline" % pid) or "").split("\0")
    is_shim = os.path.basename(words[0]).startswith("containerd-shim") and "-id" in words and "-namespace" in words
    if not is_shim or words[words.index("-namespace") + 1] != machine.NAMESPACE:
        return ""
    return words[words.index("-id") + 1]


def kill_tree(pid):
    """A process and all below it; children first, since they would be somebody else's after."""
    for task in os.listdir("/proc/%s/task" % pid) if os.path.isdir("/proc/%s/task" % pid) else []:
        for child in (machine.text_of("/proc/%s/task/%s/children" % (pid, task)) or "").split():
            kill_tree(child)
    try:
        os.kill(int(pid), signal.SIGKILL)
    except ProcessLookupError:
        # It has ended by itself.
        return
