import { LabError } from "../../core/errors.ts";
import type { Connection } from "./connection.ts";
import { startShell } from "./process.ts";
import type { RootWay, Shell } from "./process.ts";
import { wordOnLine } from "./shell-text.ts";
import { wardenScript } from "./warden-script.ts";

/** As long as it takes to end what does not want to end. */
const KILL_LIMIT_MS = 10_000;
const READY_LIMIT_MS = 30_000;
/** Without a word of us for so much longer than we would bear it, a machine ends what we run on it. */
const IDLE_SILENCES = 4;
const WORDS_PER_SILENCE = 2;

/** Our side of the process on the machine that ends what we run there (warden-script.ts): one for the user, one for root. */
export class Warden {
  readonly pid: number;
  readonly uid: number;
  private readonly connection: Connection;
  private readonly shell: Shell;
  private readonly waiting = new Map<number, () => void>();
  private readonly words: NodeJS.Timeout;
  private isGone = false;

  private constructor(connection: Connection, shell: Shell, pid: number, uid: number) {
    this.connection = connection;
    this.shell = shell;
    this.pid = pid;
    this.uid = uid;
    let rest = "";
    shell.stdout.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.hear(line);
    });
    const onGone = (): void => {
      this.isGone = true;
      clearInterval(this.words);
      for (const tell of this.waiting.values()) tell();
    };
    shell.ended.then(onGone, onGone);
    this.words = setInterval(() => this.say("b"), connection.silenceMs / WORDS_PER_SILENCE).unref();
  }

  /** Rejects with SSH_NO_SHELL or SUDO_REFUSED where the machine does not let it be. */
  static async start(connection: Connection, as: RootWay): Promise<Warden> {
    const idleLimitS = Math.ceil((IDLE_SILENCES * connection.silenceMs) / 1000);
    // The script comes on a second line, so that process lists show a short command.
    const start = `exec "\${cnilab_w:-sh}" -c 'cnilab_n=\${IFS#??}; IFS= read -r cnilab_l; eval "$cnilab_l"' cnilab-warden`;
    const script = wardenScript(idleLimitS).replaceAll(/^ +/gm, "");
    const line = `command -v bash > /dev/null && cnilab_w=bash; ${start} ${connection.id}\neval ${wordOnLine(script)}\n`;
    const shell = await within(connection, startShell(connection, as, line, { lasts: true }));
    shell.stderr.resume();
    shell.stdout.setEncoding("utf8");
    const [pid, uid] = await within(connection, Promise.all([shell.pid, firstNumber(shell)]));
    return new Warden(connection, shell, pid, uid);
  }

  get isAlive(): boolean {
    return !this.isGone && this.connection.ended === undefined;
  }

  /** The command ends with the connection, even where it hides its mark. */
  watch(pid: number): void {
    this.say(`r ${pid}`);
  }

  forget(pid: number): void {
    this.say(`u ${pid}`);
  }

  /** Removed with the connection, until {@link keepFile}. An absolute path. */
  guardFile(path: string): void {
    this.say(`t ${octal(path)}`);
  }

  keepFile(path: string): void {
    this.say(`v ${octal(path)}`);
  }

  /** SIGKILL to a command and all that it started; resolves when they are gone. */
  async kill(run: number, pid: number | undefined): Promise<void> {
    if (!this.isAlive) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(limit);
        this.waiting.delete(run);
        resolve();
      };
      const limit = setTimeout(done, KILL_LIMIT_MS);
      this.waiting.set(run, done);
      this.say(pid === undefined ? `k ${run}` : `k ${run} ${pid}`);
    });
  }

  /** Ends what runs, then itself. */
  async finish(): Promise<void> {
    if (!this.isAlive) return;
    clearInterval(this.words);
    const limit = new Promise<void>((resolve) => setTimeout(resolve, KILL_LIMIT_MS).unref());
    this.say("q");
    await Promise.race([this.shell.ended.catch(() => undefined), limit]);
  }

  private hear(line: string): void {
    this.waiting.get(Number(/^d (\d+)$/.exec(line)?.[1]))?.();
    // What it ends now must not look as if it had ended by itself.
    if (line === "x") this.connection.lose("the machine heard nothing of this program for too long");
  }

  private say(line: string): void {
    if (this.isAlive) this.shell.channel.write(`${line}\n`);
  }
}

/** A login shell's start-up files may wait for something that never comes. */
async function within<Result>(connection: Connection, work: Promise<Result>): Promise<Result> {
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `${connection.label} does not start a shell script within ${READY_LIMIT_MS / 1000} s`;
    limit = setTimeout(() => reject(new LabError("SSH_NO_SHELL", message)), READY_LIMIT_MS);
  });
  try {
    return await connection.whileOpen(Promise.race([work, late]));
  } finally {
    clearTimeout(limit);
  }
}

/** The first line that the script writes: `u UID`. */
function firstNumber({ stdout, pid }: Shell): Promise<number> {
  return new Promise((resolve, reject) => {
    pid.catch(reject);
    stdout.once("data", (text: string) => resolve(Number(/^u (\d+)\n$/.exec(text)?.[1])));
    stdout.once("end", () => {
      const fail = (): void => reject(new LabError("SSH_NO_SHELL", "sh(1) does not run a script: no sh, or no /proc"));
      pid.then(fail, reject);
    });
  });
}

/** For printf(1): any byte at all, in one word. */
function octal(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
