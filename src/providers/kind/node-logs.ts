import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type Dockerode from "dockerode";
import { dockerReason, execIn } from "../../exec/docker.ts";
import { clusterContainers } from "./remove.ts";
import type { KindState } from "./state.ts";

/** Folders of logs kept for a lab, the newest. */
const KEPT_FOLDERS = 5;

const COMMANDS: Record<string, string[]> = {
  "kubelet.log": ["journalctl", "--no-pager", "-u", "kubelet"],
  "containerd.log": ["journalctl", "--no-pager", "-u", "containerd"],
  "journal.log": ["journalctl", "--no-pager"],
  "kubeadm.yaml": ["cat", "/kind/kubeadm.conf"],
  "containers.txt": ["crictl", "ps", "-a"],
};

export interface CollectedLogs {
  folder: string;
  /** Lines of all journals of kubelets, for a cause to be found in. */
  lines: string[];
}

/**
 * Writes what kind said and what the nodes logged to a folder that outlives the lab, beside the folder of labs:
 * `STATE/logs/LAB/TIME`. What cannot be had is named in the file that would hold it.
 */
export async function collectLogs(
  docker: Dockerode,
  state: KindState,
  { stateDirectory, kindLines }: { stateDirectory: string; kindLines: readonly string[] },
): Promise<CollectedLogs> {
  const ofLab = join(dirname(dirname(stateDirectory)), "logs", state.lab);
  const folder = join(ofLab, new Date().toISOString().replaceAll(":", "-"));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, "kind.log"), `${kindLines.join("\n")}\n`);
  const lines: string[] = [];
  await Promise.all(
    (await clusterContainers(docker, state)).map(async ({ Id, Names }) => {
      const container = docker.getContainer(Id);
      const ofNode = join(folder, (Names[0] ?? Id).replace(/^\//, ""));
      mkdirSync(ofNode, { recursive: true });
      const out = await textOf(async () =>
        (await container.logs({ stdout: true, stderr: true, tail: 2000 })).toString(),
      );
      writeFileSync(join(ofNode, "container.log"), out);
      for (const [file, argv] of Object.entries(COMMANDS)) {
        const said = await textOf(async () => {
          const { stdout, stderr } = await execIn(container, argv);
          return `${stdout}${stderr}`;
        });
        writeFileSync(join(ofNode, file), said);
        if (file === "kubelet.log") lines.push(...said.split("\n").slice(-200));
      }
    }),
  );
  for (const old of readdirSync(ofLab).toSorted().slice(0, -KEPT_FOLDERS))
    rmSync(join(ofLab, old), { recursive: true });
  return { folder, lines };
}

/** A log that cannot be read must not hide why the lab failed. */
async function textOf(read: () => Promise<string>): Promise<string> {
  try {
    return await read();
  } catch (error) {
    return `not to be had: ${dockerReason(error)}\n`;
  }
}
