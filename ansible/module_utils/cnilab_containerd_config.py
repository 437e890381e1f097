"""containerd's configuration, line by line, as `containerd config dump` writes it: each setting of a section once, in one line."""

import re

PLUGINS = "/opt/cni/bin"
NETWORKS = "/etc/cni/net.d"
RUNTIMES = re.compile(r"containerd\.runtimes\.['\"]?runc['\"]?\.options\]$")


def wanted(section, key, value, choices):
    """The value that a line of the configuration should have. Version 2 is containerd 1's, version 3 that of containerd 2."""
    if section == "" and key == "disabled_plugins":
        names = re.findall(r"['\"]([^'\"]+)['\"]", value)
        return "[%s]" % ", ".join('"%s"' % name for name in names if "cri" not in name.split("."))
    if section == "" and key == "imports":
        # What is in force has them merged into it already.
        return "[]"
    if re.search(r"cri['\".].*\bcni\]$", section):
        if key == "bin_dir":
            # containerd 2.1 has bin_dirs instead, and refuses both.
            return value if value == '""' or value == "''" else '"%s"' % PLUGINS
        if key == "bin_dirs":
            return "['%s']" % PLUGINS
        if key == "conf_dir":
            return '"%s"' % NETWORKS
    if RUNTIMES.search(section) and key == "SystemdCgroup" and choices["choose_driver"]:
        return "true" if choices["is_systemd"] else "false"
    if choices["sandbox_image"] and (key == "sandbox_image" or (key == "sandbox" and section.endswith("pinned_images]"))):
        return '"%s"' % choices["sandbox_image"]
    return value


def with_cri(text):
    """A configuration's own text with CRI switched on: containerd shows no settings of a plugin that is switched off."""
    def names(found):
        kept = [name for name in re.findall(r"['\"]([^'\"]+)['\"]", found.group(2)) if "cri" not in name.split(".")]
        return found.group(1) + "[%s]" % ", ".join('"%s"' % name for name in kept)
    return re.sub(r"(?m)^(\s*disabled_plugins\s*=\s*)(\[[^\]]*\])", names, text)


def same(one, other):
    return re.sub(r"['\"\s]", "", one) == re.sub(r"['\"\s]", "", other)


def rewrite(dump, choices):
    """The configuration as it should be, and the settings that differ; an `imports` alone is no reason to write."""
    section, lines, changes = "", [], []
    for line in dump.splitlines():
        header = re.match(r"\s*(\[.*\])\s*$", line)
        setting = re.match(r"(\s*)(\w+) = (.*)$", line)
        if header:
            section = header.group(1)
        elif setting:
            indent, key, value = setting.groups()
            value_wanted = wanted(section, key, value, choices)
            if not same(value_wanted, value):
                line = "%s%s = %s" % (indent, key, value_wanted)
                if key != "imports":
                    changes.append("%s = %s" % (key, value_wanted))
        lines.append(line)
    return "\n".join(lines) + "\n", changes


def cgroup_driver(text):
    """Of the runtime that pods have."""
    section = ""
    for line in text.splitlines():
        header = re.match(r"\s*(\[.*\])\s*$", line)
        section = header.group(1) if header else section
        if RUNTIMES.search(section) and re.match(r"\s*SystemdCgroup = true", line):
            return "systemd"
    return "cgroupfs"
