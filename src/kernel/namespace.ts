import { closeSync, openSync } from "node:fs";
import { calls, check } from "./libc.ts";

const CLONE_NEWNET = 0x4000_0000;
/* linux/fcntl.h */
const F_DUPFD_CLOEXEC = 1030;

/** Set while a thread is inside `enter`; nesting would return to the wrong namespace. */
let inside = false;

function ownNamespace(): number {
  return openSync("/proc/thread-self/ns/net", "r");
}

/**
 * Runs `work` with the calling thread in the network namespace `fd`, and comes back. A socket or child process made
 * in there stays there. `work` must not await: other code of this thread would run in the wrong namespace.
 * Costs 2–3 µs a switch (setns(2)).
 */
export function enterNamespace<T>(fd: number, home: number, work: () => T): T {
  if (inside) throw new Error("enterNamespace does not nest");
  check("setns", calls.setns(fd, CLONE_NEWNET));
  inside = true;
  try {
    const result = work();
    if (result instanceof Promise) throw new Error("work given to enterNamespace must not be asynchronous");
    return result;
  } finally {
    inside = false;
    check("setns", calls.setns(home, CLONE_NEWNET));
  }
}

/** A network namespace that lives as long as this descriptor, a socket or a process holds it. */
export class NetworkNamespace {
  readonly name: string;
  readonly fd: number;
  private readonly home: number;

  private constructor(name: string, fd: number, home: number) {
    this.name = name;
    this.fd = fd;
    this.home = home;
  }

  /** Makes a new, empty namespace; the thread stays where it is. Needs CAP_SYS_ADMIN in the user namespace. */
  static create(name: string): NetworkNamespace {
    const home = homeNamespace();
    check("unshare", calls.unshare(CLONE_NEWNET), `network namespace for ${name}`);
    try {
      return new NetworkNamespace(name, ownNamespace(), home);
    } finally {
      check("setns", calls.setns(home, CLONE_NEWNET));
    }
  }

  /** Wraps a descriptor that another thread of this process opened; one of the two threads closes it. */
  static adopt(name: string, fd: number): NetworkNamespace {
    return new NetworkNamespace(name, fd, homeNamespace());
  }

  enter<T>(work: () => T): T {
    return enterNamespace(this.fd, this.home, work);
  }

  /** A further descriptor of it, which the caller closes. */
  duplicate(): number {
    return check("fcntl", calls.fcntl(this.fd, F_DUPFD_CLOEXEC, 0), this.name);
  }

  close(): void {
    closeSync(this.fd);
  }
}

let home: number | undefined;

/** The namespace this thread started in, opened once a thread. */
export function homeNamespace(): number {
  home ??= ownNamespace();
  return home;
}
