import { existsSync, readlinkSync, watch, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { calls, errnoName, lastErrno, MS_NODEV, MS_NOEXEC, MS_NOSUID } from "../../../kernel/libc.ts";
import { endProcess, keepDescriptorsFromChildren } from "../../../kernel/processes.ts";
import { PID_FILE, LAB_FDS } from "../launch.ts";
import { serveControl } from "./control-server.ts";
import { ServerThread } from "./server-thread.ts";
import { Sweeper } from "./sweeper.ts";

/*
 * The lab process: first of its pid namespace, root of its user namespace, holder of every network namespace of the lab.
 * When it ends, by `down`, by a signal or by a fault, the kernel removes all of it.
 */
const [, , stateDirectory = ""] = process.argv;
if (stateDirectory === "") throw new Error("usage: main.js STATE-DIRECTORY");

keepDescriptorsFromChildren();

// The first process of a pid namespace ignores signals that it does not handle.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => endProcess(0));

// /proc is still the host's, and numbers us as the host does. From then on it must be that of our own pid namespace:
// bwrap looks its children up there by the numbers it knows.
const hostPid = Number(readlinkSync("/proc/self"));
writeFileSync(join(stateDirectory, PID_FILE), String(hostPid));
const isMounted = calls.mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "") === 0;
// At once: the next call of anybody's sets it anew.
const mountErrno = lastErrno();
if (!isMounted) {
  // mount_namespaces(7): a user namespace may mount /proc only where the one it came from is fully visible.
  process.stderr.write(
    `a /proc of its own was refused (${errnoName(mountErrno)}): parts of this one are hidden, as in most containers\n`,
  );
  endProcess(1);
}

// The threads take as long to load as the rest of this process does: they load beside it.
const threads = { servers: new ServerThread(), sweeper: new Sweeper() };
void serve();

async function serve(): Promise<void> {
  const { handlersFor } = await import("./handlers.ts");
  const { handlers, detached } = handlersFor({ stateDirectory, hostPid, threads });

  // The launcher holds the other end: it closes when the launcher dies.
  const lease = new Socket({ fd: LAB_FDS.lease });
  const endUnlessDetached = (): void => {
    if (!detached()) endProcess(0);
  };
  lease.on("error", endUnlessDetached);
  lease.on("close", endUnlessDetached);
  lease.resume();

  // Without its folder nobody finds the lab any more, not even `down`.
  watch(stateDirectory, () => {
    if (existsSync(join(stateDirectory, PID_FILE))) return;
    endProcess(0);
  }).on("error", (error) => process.stderr.write(`the state folder is not watched: ${error.message}\n`));

  serveControl(LAB_FDS.listener, handlers);
}
