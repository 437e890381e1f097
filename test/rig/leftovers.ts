import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rigEnvironment } from "./rig.ts";

/** What a command of Docker prints, by its lines. */
export function docker(...args: string[]): string[] {
  const out = execFileSync("docker", args, { encoding: "utf8", env: rigEnvironment });
  return out.split("\n").filter((line) => line !== "");
}

/**
 * All that Docker has, sorted: containers, networks and volumes; not the prepared node images with their volumes, which are
 * meant to stay.
 */
export function inDocker(): { containers: string[]; networks: string[]; volumes: string[] } {
  return {
    containers: docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}").toSorted(),
    networks: docker("network", "ls", "--no-trunc", "--format", "{{.Name}} {{.ID}}").toSorted(),
    volumes: docker("volume", "ls", "--quiet")
      .filter((name) => !name.startsWith("cnilab-node-"))
      .toSorted(),
  };
}

export interface MarkedProcess {
  pid: number;
  commandLine: string;
}

/** Processes that have a text in their environment or command line; neither this one nor its parents. */
export function processesWith(text: string): MarkedProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const commandLine = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        const environment = readFileSync(`/proc/${name}/environ`, "utf8");
        const isOne = commandLine.includes(text) || environment.includes(text);
        return isOne ? [{ pid: Number(name), commandLine }] : [];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
}

/** Names of labs that a state folder knows. */
export function labsIn(stateHome: string): string[] {
  const folder = join(stateHome, "cnilab/labs");
  return existsSync(folder) ? readdirSync(folder) : [];
}
