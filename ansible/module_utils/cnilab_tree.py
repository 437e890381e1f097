"""A file or a folder as it is, kept and put back: kinds, modes, owners, times and contents."""

import errno
import os
import shutil
import stat


def _entry(path):
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    entry = {"mode": stat.S_IMODE(info.st_mode), "uid": info.st_uid, "gid": info.st_gid}
    if kind == stat.S_IFDIR:
        return dict(entry, kind="folder", mtime=info.st_mtime_ns)
    if kind == stat.S_IFLNK:
        return dict(entry, kind="link", target=os.readlink(path))
    if kind == stat.S_IFREG:
        return dict(entry, kind="file", mtime=info.st_mtime_ns, size=info.st_size)
    # Sockets and devices are made by who uses them.
    return None


def manifest(root):
    """{path: entry} of all below and including `root`; None where there is nothing. Never follows links, nor leaves a mount."""
    if not os.path.lexists(root):
        return None
    found = {root: _entry(root)}
    if not os.path.islink(root) and os.path.isdir(root):
        device = os.lstat(root).st_dev
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if os.lstat(os.path.join(folder, name)).st_dev == device]
            for name in folders + files:
                path = os.path.join(folder, name)
                found[path] = _entry(path)
    return {path: entry for path, entry in found.items() if entry is not None}


def keep(root, copies):
    """Copies all contents below `copies` and gives the manifest."""
    found = manifest(root)
    for path, entry in sorted((found or {}).items()):
        if entry["kind"] == "file":
            copy = copies + path
            os.makedirs(os.path.dirname(copy), mode=0o700, exist_ok=True)
            shutil.copy2(path, copy)
    return found


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def put_back(root, former, copies):
    """Makes `root` what it was; gives the paths that were removed or written. Idempotent."""
    now = manifest(root) or {}
    former = former or {}
    changed = []
    gone = [path for path in now if path not in former or former[path]["kind"] != now[path]["kind"]]
    for path in sorted(gone):
        if os.path.lexists(path):
            remove(path)
            changed.append(path)
    # What no manifest lists, such as a socket that a pod left, goes with the folder that nobody had.
    if not former and os.path.lexists(root):
        remove(root)
        changed.append(root)
    for path, entry in sorted(former.items()):
        is_same = now.get(path) == entry
        if not is_same and entry["kind"] != "folder":
            changed.append(path)
            _restore(path, entry, copies)
        elif not os.path.lexists(path):
            changed.append(path)
            os.makedirs(path)
    # Last, and from below: writing into a folder changes its time.
    for path, entry in sorted(former.items(), reverse=True):
        if entry["kind"] == "folder" and _entry(path) != entry:
            _own(path, entry)
            os.utime(path, ns=(entry["mtime"], entry["mtime"]))
    return changed


def _restore(path, entry, copies):
    if entry["kind"] == "link":
        remove(path)
        os.symlink(entry["target"], path)
        os.lchown(path, entry["uid"], entry["gid"])
        return
    # Renamed into place: a program that runs from it, as a CNI plugin does, may not be written to.
    shutil.copy2(copies + path, path + ".cnilab")
    _own(path + ".cnilab", entry)
    os.utime(path + ".cnilab", ns=(entry["mtime"], entry["mtime"]))
    try:
        os.rename(path + ".cnilab", path)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # A mount of its own, as /etc/hosts of a container.
        shutil.copyfile(path + ".cnilab", path)
        shutil.copystat(path + ".cnilab", path)
        os.unlink(path + ".cnilab")


def _own(path, entry):
    os.chown(path, entry["uid"], entry["gid"])
    os.chmod(path, entry["mode"])
