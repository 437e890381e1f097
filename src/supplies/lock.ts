import lock from "./lock.json" with { type: "json" };
import type { LockedFile } from "./types.ts";

/** Executables that labs are made with; those that the lock names can be fetched. */
export const EXECUTABLES = ["kind", "kubectl", "kubeadm", "kubelet"] as const;

export type ExecutableName = (typeof EXECUTABLES)[number];

/** A released executable; a platform whose digest nobody could check has no entry. */
export interface LockedExecutable {
  name: ExecutableName;
  version: string;
  /** As Go names it: "linux/amd64". */
  platform: string;
  url: string;
  /** Hex. */
  sha256: string;
}

/** Everything that may be fetched, with the digest it must have. */
export interface SupplyLock {
  files: readonly LockedFile[];
  executables: readonly LockedExecutable[];
}

/** The lock that comes with cnilab, src/supplies/lock.json. */
export const supplyLock: SupplyLock = lock as SupplyLock;

/** This host's platform as the lock names it. */
export function hostPlatform(): string {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  return `${process.platform}/${architecture}`;
}
