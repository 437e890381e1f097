import { rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { SNAPSHOT_FILE } from "../real/reset/snapshot-file.ts";
import { stateFile } from "../state-file.ts";

/** The kubeconfig of the lab's cluster, in its state directory; kind writes it, and so do we. */
export const KUBECONFIG_FILE = "kubeconfig";

/** Folder for what agents bind into sandboxes. */
export const SCRATCH_FOLDER = "agents";

/** Folder for the docker command that kind is given where nodes are in several networks. */
export const COMMAND_FOLDER = "commands";

const schema = z.object({
  lab: z.string(),
  cluster: z.string(),
  owner: z.string(),
  /** "making" until the lab may outlive the run that makes it. */
  stage: z.enum(["making", "up"]),
  /** Kubernetes name → container name, in kind's order. */
  nodes: z.record(z.string(), z.string()),
  /** Kubernetes name → Docker networks, eth0's first; absent where all nodes are in the cluster's only one. */
  networks: z.record(z.string(), z.array(z.string())).optional(),
  /** Written before kind is started; absent while it never was. */
  nodeImage: z.string().optional(),
  /** The start of the engine that makes the lab, see engine.ts; absent where it cannot be told. */
  engine: z.string().optional(),
  /** That engine seemed to stop while the lab was removed: what was removed may come back with the next one. */
  engineStops: z.literal(true).optional(),
  /** Links that a fault cut, and when, in milliseconds of our clock, their nodes mend them by themselves. */
  linksDown: z.array(z.object({ node: z.string(), interface: z.string(), mendsAt: z.number().optional() })).optional(),
});

/** What is written before anything is made, so that `down` finds it all, whenever the run that made it was killed. */
export type KindState = z.infer<typeof schema>;

const kindFile = stateFile("kind.json", schema);

/** Undefined where nothing was made here. */
export const readKindState = kindFile.read;

export const writeKindState = kindFile.write;

/** The last step of `down`. */
export function removeKindFiles(stateDirectory: string): void {
  const others = [`${KUBECONFIG_FILE}.lock`, SCRATCH_FOLDER, COMMAND_FOLDER, SNAPSHOT_FILE];
  for (const file of ["kind.yaml", KUBECONFIG_FILE, ...others]) {
    rmSync(join(stateDirectory, file), { recursive: true, force: true });
  }
  // What `down` goes by.
  kindFile.remove(stateDirectory);
}
