import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { line } from "./bench-figures.ts";
import { stateHome } from "./bench-lab.ts";

const DEBIAN_PYTHON = "/usr/bin/python3";

/** Debian's package, unpacked and not installed: it brings no service, and this needs no rights. Undefined where apt has none. */
function unpacked(): { python: string; path: string } | undefined {
  const root = join(stateHome, "mininet");
  const python = join(root, "usr/lib/python3/dist-packages");
  if (existsSync("/usr/lib/python3/dist-packages/mininet")) return { python: "", path: "" };
  if (!existsSync(python)) {
    if (spawnSync("apt-get", ["download", "mininet"], { cwd: stateHome, stdio: "ignore" }).status !== 0)
      return undefined;
    const [file] = readdirSync(stateHome).filter((name) => name.startsWith("mininet_"));
    if (file === undefined) return undefined;
    execFileSync("dpkg", ["-x", join(stateHome, file), root]);
  }
  return { python, path: join(root, "usr/bin") };
}

/** Milliseconds that Mininet takes for as many hosts; undefined, and told why, where it cannot be had. */
export function mininet(hosts: number, nodes: number): { upMs: number; downMs: number } | undefined {
  const found = unpacked();
  if (found === undefined) {
    line("  Mininet: apt has no package mininet here, so there is no figure");
    return undefined;
  }
  const program = fileURLToPath(new URL("bench-mininet.py", import.meta.url));
  const isolate = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    [...isolate, DEBIAN_PYTHON, program, `${hosts}`, `${nodes}`],
    {
      encoding: "utf8",
      env: { ...process.env, PYTHONPATH: found.python, PATH: `${found.path}:${process.env["PATH"] ?? ""}` },
    },
  );
  if (status !== 0) {
    line(`  Mininet: ended with ${status}: ${stderr.trim().split("\n").at(-1)}`);
    return undefined;
  }
  const [upMs = Number.NaN, downMs = Number.NaN] = stdout.trim().split(" ").map(Number);
  return { upMs, downMs };
}
