#!/usr/bin/python
"""Runs kubeadm with a configuration that is written to no file, and says what went wrong in the lines that matter."""

DOCUMENTATION = """
module: cnilab_kubeadm
short_description: kubeadm, with its configuration on standard input
options:
  program: {type: path, required: true, description: The kubeadm to run.}
  arguments: {type: list, elements: str, required: true, description: "/dev/stdin is the configuration."}
  documents: {type: list, elements: dict, required: true, description: The configuration; may hold secrets.}
  creates: {type: path, description: A file that kubeadm need not be run with.}
  marks: {type: path, description: A file that is made when kubeadm has succeeded.}
  find: {type: str, description: What of the output is given as C(found); a regular expression. Nothing else of it is.}
author: cnilab
"""

import json
import os
import re
import subprocess

from ansible.module_utils.basic import AnsibleModule

NOISE = re.compile(r"^\s*$|^To see the stack trace|^\s*-|^k8s\.io/|^\t|^runtime\.|^main\.")


def main():
    module = AnsibleModule(argument_spec={
        "program": {"type": "path", "required": True},
        "arguments": {"type": "list", "elements": "str", "required": True},
        "documents": {"type": "list", "elements": "dict", "required": True, "no_log": True},
        "creates": {"type": "path"},
        "marks": {"type": "path"},
        "find": {"type": "str"},
    })
    parameters = module.params
    if parameters["creates"] and os.path.exists(parameters["creates"]):
        module.exit_json(changed=False)
    folders = [os.path.dirname(parameters["program"]), os.environ.get("PATH", ""), "/usr/local/sbin:/usr/sbin:/sbin"]
    # JSON is YAML.
    text = "\n---\n".join(json.dumps(document) for document in parameters["documents"])
    done = subprocess.run([parameters["program"]] + parameters["arguments"], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, check=False,
                          env=dict(os.environ, PATH=":".join(folders), LC_ALL="C.UTF-8"))
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if not NOISE.search(line)]
        module.fail_json(msg="kubeadm %s: %s" % (" ".join(parameters["arguments"][:2]), "\n".join(lines[-12:])),
                         rc=done.returncode)
    if parameters["marks"]:
        with open(parameters["marks"], "w", encoding="utf-8"):
            pass
    found = re.search(parameters["find"], done.stdout) if parameters["find"] else None
    module.exit_json(changed=True, found=found.group(0) if found else "")


if __name__ == "__main__":
    main()
