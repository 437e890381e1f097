import { endProcesses, processesOf } from "./processes.ts";
import { nodeFolder, readVmState, removeVmFiles } from "./state.ts";

/** Ends a lab's virtual machines and removes all that was made of them; nothing happens where there are none. Rejects with VM_NOT_ENDED. */
export async function endVms(stateDirectory: string): Promise<void> {
  const state = readVmState(stateDirectory);
  if (state === undefined) return;
  await endProcesses(state.processes.map(({ uuid }) => uuid));
  removeVmFiles(stateDirectory);
}

/** Nodes that are virtual machines; empty where the lab has none. */
export function vmNodes(stateDirectory: string): ReadonlySet<string> {
  return new Set(readVmState(stateDirectory)?.nodes);
}

/** Nodes whose virtual machine ended by itself, as after a restart of this host. */
export function endedVmNodes(stateDirectory: string): ReadonlySet<string> {
  const { nodes, processes } = readVmState(stateDirectory) ?? { nodes: [], processes: [] };
  const ended = processes.filter(({ uuid }) => processesOf([uuid]).length === 0).map(({ folder }) => folder);
  return new Set(nodes.filter((node) => ended.includes(nodeFolder(node))));
}
