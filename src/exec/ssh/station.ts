import type { SFTPWrapper } from "ssh2";
import { LabError } from "../../core/errors.ts";
import type { Answers } from "./answers.ts";
import type { Connection } from "./connection.ts";
import { startShell } from "./process.ts";
import type { RootWay, Shell } from "./process.ts";
import { execLine } from "./shell-text.ts";
import { Renewed } from "./renewed.ts";
import { StepShell } from "./step-shell.ts";
import { Warden } from "./warden.ts";

/** A program that was started, and what ends it. */
export interface StartedProgram extends Shell {
  run: number;
  warden: Warden;
  /** SIGKILL to it and all that it started; resolves when they are gone, and its session closed. */
  kill(): Promise<void>;
}

/** As long as a command may take to begin, once it is to end: sudo asks directories and writes logs. */
const BEGIN_LIMIT_MS = 5000;

/** What we have running on one machine over one connection: wardens, shells for steps, the SFTP session. */
export class Station {
  readonly connection: Connection;
  private readonly answers: Answers;
  readonly isRoot: boolean;
  private readonly user: Renewed<Warden>;
  private readonly root: Renewed<{ warden: Warden; as: RootWay }>;
  private readonly sftpSession: Renewed<{ sftp: SFTPWrapper; isOpen: boolean }>;
  private readonly shells = new Map<boolean, StepShell>();

  private constructor(connection: Connection, answers: Answers, first: Warden) {
    this.connection = connection;
    this.answers = answers;
    this.isRoot = first.uid === 0;
    let next: Warden | undefined = first;
    // A warden that something on the machine has killed has a successor.
    this.user = new Renewed(
      async () => {
        const warden = next ?? (await Warden.start(connection, { kind: "user" }));
        next = undefined;
        return warden;
      },
      ({ isAlive }) => isAlive,
    );
    this.root = new Renewed(
      () => this.becomeRoot(),
      ({ warden }) => warden.isAlive,
    );
    this.sftpSession = new Renewed(
      async () => {
        const session = { sftp: await connection.sftp(), isOpen: true };
        session.sftp.once("close", () => (session.isOpen = false));
        return session;
      },
      ({ isOpen }) => isOpen,
    );
  }

  static async open(connection: Connection, answers: Answers): Promise<Station> {
    const station = new Station(connection, answers, await Warden.start(connection, { kind: "user" }));
    await station.user.get();
    return station;
  }

  /** The warden and the way of becoming it, as the user or as root. */
  async post(sudo: boolean): Promise<{ warden: Warden; as: RootWay }> {
    if (sudo && !this.isRoot) return this.root.get();
    return { warden: await this.user.get(), as: { kind: "user" } };
  }

  private async becomeRoot(): Promise<{ warden: Warden; as: RootWay }> {
    const { connection, answers } = this;
    try {
      return { warden: await Warden.start(connection, { kind: "sudo" }), as: { kind: "sudo" } };
    } catch (error) {
      const wantsPassword = error instanceof LabError && error.message.includes("it wants a password");
      if (!wantsPassword) throw error;
      const id = `sudo ${connection.user}@${connection.label}`;
      const text = `Password for sudo of ${connection.user} on ${connection.label}: `;
      const password = await answers.askOnce(id, { kind: "sudo", text, echo: false });
      if (password === undefined) {
        throw new LabError("SUDO_REFUSED", `${error.message}\nthere is no terminal to ask for the password on`, {
          hint: error.hint,
          cause: error,
        });
      }
      const as: RootWay = { kind: "sudo-password", password };
      try {
        return { warden: await Warden.start(connection, as), as };
      } catch (refused) {
        answers.forget(id);
        throw refused;
      }
    }
  }

  /** Starts a program; its input stays open. */
  async start(argv: readonly string[], sudo: boolean, signal?: AbortSignal): Promise<StartedProgram> {
    const { connection } = this;
    const { warden, as } = await this.post(sudo);
    const run = connection.nextRun();
    const line = execLine(connection.id, run, warden.pid, argv);
    const shell = await startShell(connection, as, line, { signal });
    void shell.pid.then((pid) => {
      warden.watch(pid);
      const forget = (): void => warden.forget(pid);
      return shell.ended.then(forget, forget);
    }, Boolean);
    return { ...shell, run, warden, kill: () => killProgram(shell, run, warden) };
  }

  /** The shell for steps; another one where the last has ended. */
  async steps(sudo: boolean): Promise<StepShell> {
    const { warden, as } = await this.post(sudo);
    const key = as.kind !== "user";
    const known = this.shells.get(key);
    if (known?.isAlive === true) return known;
    const shell = new StepShell(this.connection, warden, as);
    this.shells.set(key, shell);
    return shell;
  }

  async sftp(): Promise<SFTPWrapper> {
    return (await this.sftpSession.get()).sftp;
  }

  /** Ends what runs, and the connection. */
  async close(): Promise<void> {
    const [root, user] = await Promise.all([this.root.known(), this.user.known()]);
    await Promise.all([root?.warden.finish(), user?.finish()]);
    this.connection.close();
  }
}

/** A command that has not begun has no mark yet: it is looked for again until its session has ended. */
async function killProgram(shell: Shell, run: number, warden: Warden): Promise<void> {
  let hasEnded = false;
  let pid: number | undefined;
  const ended = shell.ended.then(
    () => (hasEnded = true),
    () => (hasEnded = true),
  );
  void shell.pid.then((known) => (pid = known), Boolean);
  const until = Date.now() + BEGIN_LIMIT_MS;
  do {
    await warden.kill(run, pid);
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 50))]);
  } while (!hasEnded && warden.isAlive && Date.now() < until);
  if (warden.isAlive) shell.channel.close();
}
