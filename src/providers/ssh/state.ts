import { rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { SNAPSHOT_FILE } from "../real/reset/snapshot-file.ts";
import { stateFile } from "../state-file.ts";

/** The cluster's kubeconfig in a lab's state directory: an administrator's, as kubeadm wrote it. */
export const KUBECONFIG_FILE = "kubeconfig";

/** Folder with what machines had before we came, one file a machine. */
export const FOOTPRINTS_FOLDER = "footprints";

/** Folder with what is taken to machines: executables, CNI plugins and archives of images. */
export const SOFTWARE_FOLDER = "software";

const machine = z.object({
  node: z.string(),
  role: z.enum(["control-plane", "worker", "external"]),
  name: z.string(),
  host: z.string(),
  port: z.number().optional(),
  user: z.string().optional(),
  identityFile: z.string().optional(),
  jump: z.array(z.string()).optional(),
  configFile: z.string().optional(),
  knownHostsFile: z.string().optional(),
  nodeAddress: z.string().optional(),
});

const schema = z.object({
  lab: z.string(),
  /** Of the leases on the machines. */
  owner: z.object({
    lab: z.string(),
    owner: z.string(),
    stateDirectory: z.string(),
    token: z.string(),
    controller: z.string().default(""),
  }),
  /** "making" until the lab may outlive the run that makes it. */
  stage: z.enum(["making", "up"]),
  /** Those that are not given back yet. */
  machines: z.array(machine),
  /** By node, what `--force` took away before the lab: no one gives that back. */
  takenAway: z.record(z.string(), z.array(z.string())).optional(),
  /** Links that a fault cut, and when, in milliseconds of our clock, their machines mend them. */
  linksDown: z.array(z.object({ node: z.string(), interface: z.string(), mendsAt: z.number() })).optional(),
});

/** What is written before a machine is touched, so that `down` gives back whatever was taken. */
export type SshState = z.infer<typeof schema>;

const sshFile = stateFile("ssh.json", schema);

/** Undefined where nothing was made here. */
export const readSshState = sshFile.read;

export const writeSshState = sshFile.write;

/** The last step of `down`. */
export function removeSshFiles(stateDirectory: string): void {
  for (const file of [KUBECONFIG_FILE, FOOTPRINTS_FOLDER, SOFTWARE_FOLDER, "inventory.yaml", SNAPSHOT_FILE]) {
    rmSync(join(stateDirectory, file), { recursive: true, force: true });
  }
  // What `down` goes by.
  sshFile.remove(stateDirectory);
}
