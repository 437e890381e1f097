"""kubeadm's configuration with a lab's patches in it."""


def plain(value):
    """A copy. Ansible's mappings evaluate what is in them when it is read, which copy.deepcopy does not do."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def merge(into, patch):
    """Mappings are merged, all else is replaced, null takes away (RFC 7386); extra arguments, which are a list of names, by name."""
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif key.endswith("xtraArgs") and isinstance(into.get(key), list):
            given = value if isinstance(value, list) else [{"name": n, "value": str(v)} for n, v in value.items()]
            names = [each["name"] for each in given]
            into[key] = [each for each in into[key] if each["name"] not in names] + given
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = plain(value)
    return into


def cnilab_patched(documents, patches):
    """Documents, each with the patches of its kind merged in, in their order."""
    patched = []
    for document in documents:
        merged = plain(document)
        for patch in patches:
            if patch.get("kind") == document["kind"]:
                merge(merged, {key: value for key, value in patch.items() if key not in ("kind", "apiVersion")})
        patched.append(merged)
    return patched


class FilterModule:
    def filters(self):
        return {"cnilab_patched": cnilab_patched}
