import { closeSync, constants, openSync } from "node:fs";
import { calls, check } from "./libc.ts";

// ioctl_tty(2); the same on every architecture that Node runs on (include/uapi/asm-generic/ioctls.h).
const TIOCSWINSZ = 0x5414;
const TIOCGPTPEER = 0x5441;
const TIOCSPTLCK = 0x40045431;

const O_CLOEXEC = 0o2000000;
const FLAGS = constants.O_RDWR | constants.O_NOCTTY;

/** A pair of descriptors (pty(7)); both belong to the caller, who closes them. */
export interface PseudoTerminal {
  /** What is typed is written to it, and what is shown read from it. */
  master: number;
  /** The terminal itself, for a program. */
  slave: number;
}

/** Opens a pseudo-terminal that nobody has for his controlling one yet. Throws where this system has no /dev/ptmx. */
export function openPseudoTerminal(): PseudoTerminal {
  const master = openSync("/dev/ptmx", FLAGS);
  try {
    check("ioctl", calls.ioctl(master, TIOCSPTLCK, new Uint8Array(4)), "TIOCSPTLCK");
    // By the master and not by its name: whatever is mounted at /dev/pts here, it is this one.
    return { master, slave: check("ioctl", calls.ioctlNumber(master, TIOCGPTPEER, FLAGS | O_CLOEXEC), "TIOCGPTPEER") };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** Sets how large the terminal is; its programs are told by SIGWINCH. */
export function resizeTerminal(master: number, columns: number, rows: number): void {
  const size = new Uint8Array(new Uint16Array([rows, columns, 0, 0]).buffer);
  check("ioctl", calls.ioctl(master, TIOCSWINSZ, size), "TIOCSWINSZ");
}
