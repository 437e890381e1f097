import { rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { stateFile } from "../../state-file.ts";

/** In a lab's state directory: a folder for each process, and what machines are logged in to with. */
const VMS_FOLDER = "vms";

const schema = z.object({
  /** Folder in `vms` and QEMU's -uuid. Written before a process is started. */
  processes: z.array(z.object({ folder: z.string(), uuid: z.uuid() })),
  /** Nodes that are virtual machines. */
  nodes: z.array(z.string()),
});

export type VmState = z.infer<typeof schema>;

const vmFile = stateFile("vms.json", schema);

/** Undefined where the lab has no virtual machines. */
export const readVmState = vmFile.read;

export const writeVmState = vmFile.write;

export function vmsFolder(stateDirectory: string): string {
  return join(stateDirectory, VMS_FOLDER);
}

/** A virtual machine's folder, in {@link vmsFolder}. */
export function nodeFolder(node: string): string {
  return `node-${node}`;
}

/** When their processes are gone; what they are found by goes last. */
export function removeVmFiles(stateDirectory: string): void {
  rmSync(vmsFolder(stateDirectory), { recursive: true, force: true });
  vmFile.remove(stateDirectory);
}
