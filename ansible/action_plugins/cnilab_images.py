"""Brings images of a bundle into a machine's containerd: what is missing there is copied and imported, one archive after another."""

import glob
import json
import os
import tarfile

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


def canonical(reference):
    """As containerd names images: with registry and folder, which docker leaves out of its own."""
    first, slash, _ = reference.partition("/")
    if not slash:
        return "docker.io/library/" + reference
    return reference if "." in first or ":" in first or first == "localhost" else "docker.io/" + reference


def images(path):
    """[{name, config}] of an archive of docker save, also a compressed one: the hex digest of each image's configuration."""
    with tarfile.open(path) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
    found = []
    for image in manifest:
        # CONFIG.json, or blobs/sha256/CONFIG.
        config = os.path.basename(image["Config"]).replace(".json", "")
        found += [{"name": canonical(tag), "config": config} for tag in image.get("RepoTags") or []]
    return found


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        folders, lab = self._task.args["folders"], self._task.args["lab"]
        archives = {}
        for path in sorted(path for folder in folders for path in glob.glob(glob.escape(folder) + "/*.tar*")):
            try:
                archives[path] = images(path)
            except (OSError, ValueError, KeyError, tarfile.TarError) as error:
                raise AnsibleActionFail("%s is no archive of images as docker save makes them: %s" % (path, error)) from error
        looked = self._module(task_vars, lab=lab, archives=[{"path": path, "images": found} for path, found in archives.items()])
        for path in looked.get("missing", []):
            # Straight to the disk: Ansible's own copy would go through /tmp, which may be memory.
            self._connection.put_file(path, looked["folder"] + "/archive")
            done = self._module(task_vars, lab=lab, imports=True, archives=[{"path": path, "images": archives[path]}])
            if done.get("failed"):
                return done
        return looked if looked.get("failed") else {"changed": bool(looked["missing"]), "imported": looked["missing"]}

    def _module(self, task_vars, **arguments):
        return self._execute_module(module_name="cnilab_images", module_args=arguments, task_vars=task_vars)
