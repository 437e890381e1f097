import { once } from "node:events";
import type { ClientChannel } from "ssh2";
import { LabError } from "../../core/errors.ts";
import { makeVisible } from "../../core/visible-text.ts";
import { AfterMark } from "./after-mark.ts";
import type { Connection } from "./connection.ts";
import { startMark, starter, SUDO_PROMPT } from "./shell-text.ts";
import type { Privilege } from "./shell-text.ts";

export interface Ending {
  exitCode: number | null;
  signal: string | null;
}

/** How to become root on a machine; the password is sent over standard input alone. */
export type RootWay = { kind: "user" } | { kind: "sudo" } | { kind: "sudo-password"; password: string };

/** More than sudo says, its lecture included. */
const SAID_LIMIT = 10_000;

/** A shell that carries out one line, on a session of its own. */
export interface Shell {
  channel: ClientChannel;
  stdout: AfterMark;
  stderr: AfterMark;
  /** Its process id, which is that of the program it becomes. Rejects with SSH_NO_SHELL where it never began. */
  pid: Promise<number>;
  /** Rejects with REMOTE_LOST. */
  ended: Promise<Ending>;
}

/** Starts sh(1) as the user or as root and gives it its line. */
export async function startShell(
  connection: Connection,
  as: RootWay,
  line: string,
  options: { lasts?: boolean; signal?: AbortSignal | undefined } = {},
): Promise<Shell> {
  const kind: Privilege["kind"] = as.kind;
  const channel = await connection.exec(starter(connection.id, kind), options);
  const [stdout, stderr] = [startMark(connection.id), startMark(connection.id)].map((mark) => new AfterMark(mark));
  if (stdout === undefined || stderr === undefined) throw new Error("two streams");
  channel.pipe(stdout);
  channel.stderr.pipe(stderr);
  // ssh2 tells the sender of a write that the stream is broken; `ended` tells everybody.
  channel.on("error", () => undefined);
  const ended = endingOf(connection, channel);
  ended.catch(() => undefined);
  const pid = connection.whileOpen(
    stdout.marked.catch(async (cause: unknown) => {
      if (!stderr.writableFinished) await once(stderr, "finish");
      throw notBegun(connection, as, stderr, cause);
    }),
  );
  pid.catch(() => undefined);
  if (as.kind === "sudo-password") {
    refuseSecondQuestion(channel, stderr);
    channel.write(`${as.password}\n`);
    // sudo would take the line for a second password, if the first is wrong.
    await Promise.race([pid, ended.then(() => pid)]);
  }
  channel.write(line);
  return { channel, stdout, stderr, pid, ended };
}

/** How the command of a session ended; rejects with REMOTE_LOST where that is never told. */
export function endingOf(connection: Connection, channel: ClientChannel): Promise<Ending> {
  return connection.whileOpen(
    new Promise<Ending>((resolve, reject) => {
      channel.once("exit", (code: number | null, signal?: string) =>
        resolve({ exitCode: code, signal: signal ?? null }),
      );
      channel.once("close", () =>
        // After "exit" this says nothing more.
        setImmediate(() => reject(lostAlone(connection))),
      );
    }),
  );
}

/** sudo asks again after a wrong password; it gets no other. */
function refuseSecondQuestion(channel: ClientChannel, stderr: AfterMark): void {
  let said = "";
  const onData = (bytes: Buffer): void => {
    said = (said + bytes.toString("latin1")).slice(-SAID_LIMIT);
    if (said.split(SUDO_PROMPT).length > 2) channel.end();
  };
  channel.stderr.on("data", onData);
  const stop = (): void => void channel.stderr.off("data", onData);
  stderr.marked.then(stop, stop);
}

function lostAlone(connection: Connection): LabError {
  return (
    connection.ended ??
    new LabError("REMOTE_LOST", `${connection.label} closed the session of a command and did not say how it ended`)
  );
}

/** Words that sudo(8) has for what it does not allow, in the C locale. */
const SUDO_WORDS: readonly [RegExp, string][] = [
  [/must have a tty|no tty present/i, "it wants a terminal (requiretty of sudoers(5))"],
  [/sudo.*not found|No such file/i, "sudo is not installed"],
  [/not in the sudoers|not allowed|may not run/i, "the user may not"],
  [/incorrect password|Sorry, try again|no password was provided/i, "that was not the password"],
  [/password is required|terminal is required/i, "it wants a password"],
];

/** SUDO_REFUSED by sudo's own words, or SSH_NO_SHELL. */
function notBegun(connection: Connection, as: RootWay, stderr: AfterMark, cause: unknown): LabError {
  const said = makeVisible(stderr.noise.toString("utf8").trim()).split("\n").slice(-5).join("\n");
  if (as.kind === "user") {
    const words = said === "" ? "it ended and said nothing" : said;
    return new LabError("SSH_NO_SHELL", `${connection.label} starts nothing for ${connection.user}: ${words}`, {
      hint: "is its login shell one that runs commands, and no ForceCommand set?",
      cause,
    });
  }
  const why = SUDO_WORDS.find(([pattern]) => pattern.test(said))?.[1] ?? "it refuses";
  return new LabError("SUDO_REFUSED", `${connection.label}: no sudo for ${connection.user}: ${why}\n${said}`.trim(), {
    hint: `allow it on the machine: echo '${connection.user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/cnilab, or log in as root`,
    cause,
  });
}
