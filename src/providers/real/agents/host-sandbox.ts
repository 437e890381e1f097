import { accessSync, constants, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nsswitchConf } from "../../../engine/nameserver/resolv.ts";
import { SystemCallError } from "../../../kernel/libc.ts";
import { readInRoot } from "../../../kernel/read-in-root.ts";
import { sandboxAccounts } from "../../../kernel/sandbox.ts";
import type { SandboxOptions } from "../../../kernel/sandbox.ts";
import type { Place } from "../types.ts";
import { toolMissing } from "./place-name.ts";

const PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/** What a sandbox shows of this host's programs. */
const VISIBLE = /^\/(usr|bin|sbin|lib|lib32|lib64|libx32)\//;

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Absent or not for us: either way it cannot be started.
    return false;
  }
}

/** Throws EXEC_NOT_STARTED for a program that the sandbox would not find: its own failure would look like the tool's. */
export function requireTool(tool: string): void {
  const candidates = tool.includes("/")
    ? [tool].filter((path) => VISIBLE.test(path))
    : PATH.map((folder) => join(folder, tool));
  if (!candidates.some(isProgram)) throw toolMissing(tool, "this host");
}

function fileOf(pid: number, path: string): string | undefined {
  try {
    return readInRoot(`/proc/${pid}/root`, path);
  } catch (error) {
    if (error instanceof SystemCallError && ["ENOENT", "ENOTDIR", "ELOOP"].includes(error.code)) return undefined;
    throw error;
  }
}

/** Writes what sandboxes bind into /etc: one folder a place below `scratchDirectory`, written again when it changes. */
export class HostSandboxes {
  private readonly scratchDirectory: string;
  private readonly written = new Map<string, string>();

  constructor(scratchDirectory: string) {
    this.scratchDirectory = scratchDirectory;
  }

  /** `filesPid` is a process that sees the place's files; its resolv.conf and hosts are copied now. */
  of(place: Place, filesPid: number): SandboxOptions {
    const name = place.kind === "pod" ? place.name : place.kind === "node" ? place.node : "external";
    const hostname = (fileOf(filesPid, "/etc/hostname") ?? "").trim() || name;
    const files = {
      ...sandboxAccounts,
      "resolv.conf": fileOf(filesPid, "/etc/resolv.conf") ?? "",
      hosts: fileOf(filesPid, "/etc/hosts") ?? "127.0.0.1\tlocalhost\n",
      "nsswitch.conf": nsswitchConf(),
      hostname: `${hostname}\n`,
    };
    const owner = place.kind === "pod" ? place.uid : place.kind === "node" ? `node-${place.node}` : "external";
    return {
      hostname: hostname.slice(0, 64),
      networkAdmin: place.kind !== "pod",
      env: { HOSTNAME: hostname, TERM: process.env["TERM"] ?? "xterm-256color" },
      etc: this.write(owner, files),
    };
  }

  private write(owner: string, files: Record<string, string>): Record<string, string> {
    const folder = join(this.scratchDirectory, owner);
    return Object.fromEntries(
      Object.entries(files).map(([name, text]) => {
        const path = join(folder, name);
        if (this.written.get(path) !== text) {
          mkdirSync(folder, { recursive: true });
          // Renamed into place: a sandbox that starts now sees the old file or the new one.
          writeFileSync(`${path}.new`, text);
          renameSync(`${path}.new`, path);
          this.written.set(path, text);
        }
        return [name, path];
      }),
    );
  }
}
