/**
 * Makes the Python environment with the pinned Ansible, ansible-lint and the collection ansible.posix, in cnilab's cache folder, and
 * prints where it is. Every package is known by its digest. Done once for a set of versions: seconds later. Exit code 5 where it
 * cannot be made: Python 3.11 or newer with its venv module, and a package index in reach, are needed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { playbooks, venvFolder } from "../src/providers/ssh/ansible/find-ansible.ts";
import { cacheRoot } from "../src/supplies/cache-root.ts";

/** A host that lacks something; see docs/cli.md. */
const HOST_LACKS = 5;

/** Of the whole ansible package, which has a hundred collections, the one that is needed. */
const EXTRACT = `
import glob, sys, sysconfig, zipfile
[wheel] = glob.glob(sys.argv[1] + "/ansible-*.whl")
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if name.startswith("ansible_collections/ansible/posix/")]
    archive.extractall(sysconfig.get_paths()["purelib"], names)
`;

/** The environment's folder; ends this process where it cannot be made. */
export function makeVenv(): string {
  const folder = venvFolder(cacheRoot(process.env));
  const complete = join(folder, ".complete");
  if (existsSync(complete)) return folder;
  rmSync(folder, { recursive: true, force: true });
  const python = join(folder, "bin", "python");
  const pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"];
  const wheels = join(folder, "wheels");
  const collections = join(playbooks(), "requirements-collections.txt");
  const steps = [
    ["python3", "-m", "venv", folder],
    [python, "-c", "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'Python 3.11 or newer is needed')"],
    [...pip, "install", "--require-hashes", "--only-binary", ":all:", "-r", join(playbooks(), "requirements.txt")],
    [...pip, "download", "--no-deps", "--require-hashes", "--dest", wheels, "-r", collections],
    [python, "-c", EXTRACT, wheels],
  ];
  for (const step of steps) {
    const [program = "", ...args] = step;
    // Standard output is the folder's name.
    const { status, error } = spawnSync(program, args, { stdio: ["ignore", 2, 2] });
    if (status === 0) continue;
    console.error(`no environment for Ansible: ${step.slice(0, 4).join(" ")} … ${error?.message ?? "failed"}`);
    process.exit(HOST_LACKS);
  }
  rmSync(wheels, { recursive: true });
  writeFileSync(complete, "");
  return folder;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) console.log(makeVenv());
