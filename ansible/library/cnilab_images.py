#!/usr/bin/python
"""Images in containerd's Kubernetes namespace: which are missing, and the import of an archive."""

DOCUMENTATION = """
module: cnilab_images
short_description: Images of a bundle in containerd
description:
  - Is run by the action of the same name, which reads the archives of the folders and copies those that are missing.
options:
  lab: {type: str, required: true, description: The lab's name.}
  folders: {type: list, elements: str, description: Folders on the controller with archives of docker save.}
  archives: {type: list, elements: dict, description: "Filled in by the action: path and images of each, with name and config."}
  imports: {type: bool, default: false, description: Filled in by the action.}
author: cnilab
"""

import json
import os

from ansible.module_utils import cnilab_machine as machine
from ansible.module_utils.basic import AnsibleModule

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


def configs():
    """{name: hex digest of its configuration}."""
    found = {}
    for line in machine.ctr("images", "list").splitlines()[1:]:
        name, kind, digest = line.split()[:3]
        # CRI's own entries for the same image.
        if name.startswith("sha256:") or kind in INDEXES:
            continue
        manifest = json.loads(machine.ctr("content", "get", digest))
        found[name] = manifest["config"]["digest"].split(":")[1]
    return found


def import_archive(names, path):
    there = set(machine.ctr("images", "list", "--quiet").split())
    for name in there.intersection(names):
        # Another image of that name is the machine's: it keeps a name, so that its content stays.
        if machine.KEPT_IMAGES + name not in there:
            machine.ctr("images", "tag", name, machine.KEPT_IMAGES + name)
    machine.ctr("images", "import", path)
    os.unlink(path)


def main():
    module = AnsibleModule(argument_spec={
        "lab": {"type": "str", "required": True},
        "folders": {"type": "list", "elements": "str"},
        "archives": {"type": "list", "elements": "dict"},
        "imports": {"type": "bool", "default": False},
    })
    folder = os.path.join(machine.JOURNALS, module.params["lab"], "images")
    archives = module.params["archives"]
    if module.params["imports"]:
        try:
            import_archive([image["name"] for image in archives[0]["images"]], folder + "/archive")
        except RuntimeError as error:
            module.fail_json(msg="containerd does not take %s: %s" % (archives[0]["path"], error))
        module.exit_json(changed=True)
    there, missing = configs(), []
    for archive in archives:
        if any(there.get(image["name"]) != image["config"] for image in archive["images"]):
            missing.append(archive["path"])
            there.update({image["name"]: image["config"] for image in archive["images"]})
    if missing:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        # Files come by sftp, as who has logged in.
        os.chown(folder, int(os.environ.get("SUDO_UID", os.getuid())), -1)
    module.exit_json(changed=False, missing=missing, folder=folder)


if __name__ == "__main__":
    main()
