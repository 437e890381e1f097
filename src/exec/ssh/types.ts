import type { Duplex, Readable, Writable } from "node:stream";

/** A machine as the user names it; what is left out comes from ssh_config(5), as ssh(1) would read it. */
export interface SshTarget {
  /** What the lab calls it, for messages. */
  name: string;
  /** Address, host name or alias of ssh_config(5). */
  host: string;
  port?: number;
  user?: string;
  identityFile?: string;
  /** Hops before the machine, `[user@]host[:port]` each; absent: ProxyJump of ssh_config(5). */
  jump?: readonly string[];
  /** Instead of ~/.ssh/config and the system's. */
  configFile?: string;
  /** Instead of those that ssh_config(5) names. */
  knownHostsFile?: string;
}

/** Something that only the user can answer. The answer is a secret: it is kept in memory and sent, never written anywhere. */
export interface Question {
  kind: "passphrase" | "password" | "code" | "sudo";
  /** One line, fit for a terminal. */
  text: string;
  /** Whether what is typed may be shown. */
  echo: boolean;
}

/** Puts a question to the user; undefined where there is nobody to answer. */
export type Ask = (question: Question) => Promise<string | undefined>;

export interface OpenOptions {
  /** Ends the opening; an open connection is ended by `close`. */
  signal?: AbortSignal;
  /** Without it nothing is asked, and what would have been is an error. */
  ask?: Ask;
  /** Instead of this process's: HOME, PATH, SSH_AUTH_SOCK. */
  environment?: Record<string, string | undefined>;
  /** How long a silent connection is thought alive, when ssh_config(5) has no ServerAliveInterval. Default 15 s. */
  silenceMs?: number;
}

/** How a remote command ended. A command that could not be started is an error that the call throws. */
export interface RemoteResult {
  /** null where a signal ended it. */
  exitCode: number | null;
  /** Name with SIG, as "SIGKILL". */
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface RemoteOptions {
  /** As root, by sudo(8); nothing changes where the user is root. */
  sudo?: boolean;
  stdin?: string | Uint8Array;
  /** Default 60 s; the command is ended with all its children, and the call rejects with REMOTE_TIMEOUT. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** More of either stream ends the command (REMOTE_OUTPUT_LIMIT). Default 16 MiB. */
  maxOutputBytes?: number;
  onOutput?: (text: string, stream: "out" | "err") => void;
}

/** A command that runs while we talk to it. */
export interface RemoteProcess {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Resolves when it has ended; rejects with REMOTE_LOST where the connection was lost first. */
  ended: Promise<{ exitCode: number | null; signal: string | null }>;
  /** SIGKILL to it and all that it started; resolves when they are gone. */
  kill(): Promise<void>;
}

export interface RemoteFileOptions {
  sudo?: boolean;
  /** Permission bits; default 0o600. */
  mode?: number;
  signal?: AbortSignal;
}

/**
 * One machine, over one SSH connection that is opened anew when it was lost. Arguments are never read by a shell of the machine:
 * whatever is in them arrives as it is. Methods reject with a LabError: SSH_HOST_KEY, SSH_AUTH, SSH_UNREACHABLE where there is no
 * connection; REMOTE_LOST where it ended meanwhile, so that nobody knows whether the command was carried out. What runs when the
 * connection is lost is ended on the machine, with its children; what a command left in the background when it ended lives on.
 */
export interface Remote {
  readonly target: SshTarget;
  /** A process of its own. That it fails is a result, not an error. */
  run(argv: readonly string[], options?: RemoteOptions): Promise<RemoteResult>;
  /** One of many small steps: sh(1) code with its arguments as $1, $2, …, in a shell that stays (one as the user, one as root). */
  step(
    script: string,
    args?: readonly string[],
    options?: Pick<RemoteOptions, "sudo" | "timeoutMs" | "signal">,
  ): Promise<RemoteResult>;
  /** {@link step} that must succeed: rejects with REMOTE_FAILED and what it wrote to standard error; gives its standard output. */
  must(
    script: string,
    args?: readonly string[],
    options?: Pick<RemoteOptions, "sudo" | "timeoutMs" | "signal">,
  ): Promise<string>;
  /** The password that sudo wants there, asked for where it is not known yet; undefined where it wants none. A secret. */
  sudoPassword(): Promise<string | undefined>;
  spawn(argv: readonly string[], options?: { sudo?: boolean; signal?: AbortSignal }): Promise<RemoteProcess>;
  /** A terminal of the user's own; resolves when the command has ended. */
  terminal(argv: readonly string[], options?: { sudo?: boolean }): Promise<{ exitCode: number }>;
  /** Atomic: the file has its old content or the new one, whole. */
  writeFile(path: string, content: string | Uint8Array | Readable, options?: RemoteFileOptions): Promise<void>;
  /** Undefined where there is no such file. */
  readFile(path: string, options?: Pick<RemoteFileOptions, "sudo" | "signal">): Promise<Buffer | undefined>;
  /** A TCP connection that the machine opens (RFC 4254, 7.2: direct-tcpip). */
  connect(address: string, port: number): Promise<Duplex>;
  /** Ends what runs and the connection. Idempotent. */
  close(): Promise<void>;
}
