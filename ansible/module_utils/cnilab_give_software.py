"""Takes away images and packages, and puts files and services back."""

import os
import shutil

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils import cnilab_tree as tree
from ansible.module_utils.cnilab_giver import Giver, wait_for


class Software(Giver):
    def packages(self):
        """Images first: they need containerd."""
        self.take_images()
        path = self.journal + "/packages.json"
        record = machine.read_json(path)
        if record is None:
            return
        there = set(machine.packages())
        # An installation that was ended in the middle of it has no list of what came.
        came = set(record["came"]) | (there - set(record["before"]) if record["before"] else set())
        names = sorted(came & there)
        if names:
            if "containerd" in [name.split(":")[0].split(".")[0] for name in names] and self.before["containerd"] is None:
                self.do("service containerd stopped", ["systemctl", "stop", "containerd"])
            os.environ["DEBIAN_FRONTEND"] = "noninteractive"
            if shutil.which("apt-get"):
                argv = ["apt-get", "purge", "-q", "-y", "--allow-change-held-packages", "-o", "DPkg::Lock::Timeout=120"]
            else:
                # What was not there before and needs one of these came with the lab, too; nothing else is asked to go.
                argv = ["dnf", "remove", "-q", "-y", "--noautoremove"]
            if not self.do("packages " + ", ".join(names), argv + names):
                return
        os.unlink(path)

    def take_images(self):
        former = self.before["containerd"]
        if not machine.containerd_answers():
            return
        images = machine.ctr("images", "list", "--quiet").split()
        for kept in [name for name in images if name.startswith(machine.KEPT_IMAGES)]:
            name = kept[len(machine.KEPT_IMAGES):]
            self.do("image " + name, ["ctr", "-n", machine.NAMESPACE, "images", "tag", "--force", kept, name])
        came = sorted(set(images) - set((former or {"images": []})["images"]))
        if came:
            self.do("%d images" % len(came), ["ctr", "-n", machine.NAMESPACE, "images", "delete", "--sync"] + came)
        if machine.NAMESPACE not in (former or {"namespaces": []})["namespaces"] and \
                machine.NAMESPACE in machine.run(["ctr", "namespaces", "list", "--quiet"]).split():
            for line in machine.ctr("leases", "list").splitlines()[1:]:
                self.do("lease " + line.split()[0], ["ctr", "-n", machine.NAMESPACE, "leases", "delete", "--sync", line.split()[0]])
            self.take_namespace()

    def take_namespace(self):
        """Contents and snapshots are collected behind the last image."""
        ok = wait_for(lambda: machine.succeeds(["ctr", "namespaces", "remove", machine.NAMESPACE]))
        (self.changes if ok else self.left).append("namespace %s of containerd" % machine.NAMESPACE)
        for folder in ("/run/containerd/runc", "/run/containerd/io.containerd.runtime.v2.task",
                       "/var/lib/containerd/io.containerd.runtime.v2.task"):
            path = os.path.join(folder, machine.NAMESPACE)
            if ok and os.path.isdir(path) and not os.listdir(path):
                os.rmdir(path)

    def files(self):
        for name, former in self.before["services"].items():
            now = machine.service(name)
            if now["enabled"] == "enabled" and former["enabled"] != "enabled":
                self.do("service %s disabled" % name, ["systemctl", "disable", "--quiet", name])
            if now["active"] and not former["active"]:
                self.do("service %s stopped" % name, ["systemctl", "stop", name])
        if not self.before["watched"].get("/var/lib/containerd", True):
            self.end_shims()
        changed = []
        for path, former in self.before["kept"].items():
            changed += tree.put_back(path, former, self.journal + "/files")
        for path, was_there in self.before["watched"].items():
            if not was_there and os.path.lexists(path):
                tree.remove(path)
                changed.append(path)
        self.changes += changed
        if any("/systemd/" in path for path in changed):
            self.do("systemd's units read anew", ["systemctl", "daemon-reload"])
        self.services(changed)

    def end_shims(self):
        """Nobody had containerd: what it left mounted would keep its folder from being removed."""
        for path in reversed(machine.mounts()):
            if path.startswith(("/var/lib/containerd/", "/run/containerd/")):
                self.do("mount " + path, ["umount", "--lazy", path])

    def services(self, changed):
        for name, former in self.before["services"].items():
            if former["enabled"] == "":
                continue
            now = machine.service(name)
            if former["enabled"] == "enabled" and now["enabled"] != "enabled":
                self.do("service %s enabled" % name, ["systemctl", "enable", "--quiet", name])
            if former["active"] and not now["active"]:
                self.do("service %s started" % name, ["systemctl", "start", name])
            elif name == "containerd" and former["active"]:
                self.restart_containerd(changed)
        if machine.succeeds(["systemctl", "is-failed", "--quiet", "kubelet"]):
            self.do("service kubelet's failure forgotten", ["systemctl", "reset-failed", "kubelet"])

    def restart_containerd(self, changed):
        """Its CRI service remembers sandboxes that are no more, and reads its configuration when it starts."""
        if not changed and not self.changes:
            return
        mode = machine.run(["systemctl", "show", "--property", "KillMode", "--value", "containerd"]).strip()
        if mode == "process" or not machine.containerd()["containers"]:
            self.do("service containerd restarted", ["systemctl", "restart", "containerd"])
        else:
            self.left.append("containerd's former configuration takes effect when it is restarted, which would end its containers")
