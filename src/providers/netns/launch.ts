import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "../../core/errors.ts";
import { installed } from "../../core/installation.ts";
import { isFileLocked, tryLockFile } from "../../kernel/file-lock.ts";
import { listenTcp, listenUnix } from "../../kernel/sockets.ts";
// A lab lives through bursts of short-lived objects: fewer, larger collections of the young. The build reads them, too.
import nodeFlags from "./node-flags.json" with { type: "json" };

/** Files of a running lab in its state folder. */
const LOCK_FILE = "lab.lock";
const SOCKET_FILE = "control.sock";
export const LOG_FILE = "lab.log";
/** The lab process as the host numbers it; written by the process itself. */
export const PID_FILE = "lab.pid";
/** A folder over which the lab process mounts memory for the files its sandboxes show; empty as the host sees it. */
export const SCRATCH_FOLDER = "scratch";
/** How a client reaches the lab's API; with its token, so that its owner alone may read it. */
export const KUBECONFIG_FILE = "kubeconfig";
/** All of the above, for whoever removes them; the lock last. */
export const LAB_FILES = [SOCKET_FILE, LOG_FILE, PID_FILE, KUBECONFIG_FILE, SCRATCH_FOLDER, LOCK_FILE] as const;

/** Descriptors that the lab process starts with, beside 0–2. */
export const LAB_FDS = { lease: 3, listener: 4, lock: 5, api: 6 } as const;

/** sun_path holds 108 bytes (unix(7)); a longer path is reached through its folder's descriptor. */
const SUN_PATH = 107;

function socketPath(stateDirectory: string): { path: string; close(): void } {
  const path = join(stateDirectory, SOCKET_FILE);
  if (Buffer.byteLength(path) <= SUN_PATH) return { path, close: () => undefined };
  const fd = openSync(stateDirectory, "r");
  return { path: `/proc/self/fd/${fd}/${SOCKET_FILE}`, close: () => closeSync(fd) };
}

/** Gives `use` a path that connect(2) and bind(2) accept for the lab's control socket. */
export async function withSocketPath<T>(stateDirectory: string, use: (path: string) => Promise<T>): Promise<T> {
  const { path, close } = socketPath(stateDirectory);
  try {
    return await use(path);
  } finally {
    close();
  }
}

/** Takes the lab's lock: its descriptor, or undefined while a lab process holds it. */
export function lockLab(stateDirectory: string): number | undefined {
  return tryLockFile(join(stateDirectory, LOCK_FILE));
}

/** Whether a lab process holds the folder: by its lock, which dies with it. */
export function isLabAlive(stateDirectory: string): boolean {
  return isFileLocked(join(stateDirectory, LOCK_FILE));
}

export interface Launched {
  /** Ends the lab unless it was detached: closing it is what our own death does, too. */
  endLease(): void;
  /** Settles when the lab process has ended; how, in words. */
  ended: Promise<string>;
  /** From now on this process does not wait for the lab's. */
  forget(): void;
}

/**
 * Starts a lab process: in user, network, mount and pid namespaces of its own, so that nothing of the host's changes and
 * the kernel removes all of it when the process ends. It is handed the control socket, a port of the host's loopback for its API, the lock and the read end of a
 * lease; when the lease's other end closes before `detach`, it ends. Rejects with LAB_ALREADY_UP while the lock is held.
 */
export async function launchLab(stateDirectory: string): Promise<Launched> {
  const lock = lockLab(stateDirectory);
  if (lock === undefined) {
    throw new LabError("LAB_ALREADY_UP", "this lab is already running", {
      hint: "cnilab down LAB removes it",
    });
  }
  const ours = [lock];
  try {
    rmSync(join(stateDirectory, SOCKET_FILE), { force: true });
    mkdirSync(join(stateDirectory, SCRATCH_FOLDER), { recursive: true });
    const listener = await withSocketPath(stateDirectory, (path) => Promise.resolve(listenUnix(path)));
    ours.push(listener);
    const api = listenTcp("127.0.0.1", 0);
    ours.push(api);
    const log = openSync(join(stateDirectory, LOG_FILE), "w", 0o600);
    ours.push(log);
    const entry = installed("dist/providers/netns/lab/main.js");
    const args = [
      "--user",
      "--map-root-user",
      "--net",
      "--mount",
      "--pid",
      "--fork",
      "--kill-child",
      "--",
      process.execPath,
      ...nodeFlags,
      entry,
      stateDirectory,
    ];
    const child = spawn("unshare", args, {
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log, "pipe", listener, lock, api],
    });
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(`unshare could not be started: ${error.message}`));
      child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
    const lease = child.stdio[LAB_FDS.lease];
    lease?.on("error", () => undefined);
    return {
      endLease: () => lease?.destroy(),
      ended,
      forget: () => {
        child.unref();
        (lease as unknown as { unref?(): void } | null)?.unref?.();
      },
    };
  } finally {
    // The child has its own copies.
    for (const fd of ours) closeSync(fd);
  }
}
