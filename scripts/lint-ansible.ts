/** Runs the pinned ansible-lint over ansible/, with its strictest profile (ansible/.ansible-lint). */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { playbooks } from "../src/providers/ssh/ansible/find-ansible.ts";
import { makeVenv } from "./ansible-venv.ts";

const bin = join(makeVenv(), "bin");
const { status } = spawnSync(join(bin, "ansible-lint"), ["--offline", "--strict"], {
  cwd: playbooks(),
  env: { ...process.env, PATH: `${bin}:${process.env["PATH"] ?? ""}` },
  stdio: "inherit",
});
process.exitCode = status ?? 1;
