import { randomBytes } from "node:crypto";
import { Duplex } from "node:stream";
import type { ClientChannel, ExecOptions, SFTPWrapper } from "ssh2";
import { asError } from "../../core/as-error.ts";
import { LabError } from "../../core/errors.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import type { Login } from "./login.ts";
import { Slots } from "./slots.ts";

/** MaxSessions of sshd_config(5), unless a machine shows that it has fewer. */
const SESSIONS = 10;

/** One SSH connection, from login to its end. It is not opened again: who needs one then makes another. */
export class Connection {
  /** Nobody can guess it; what we start on the machine bears it. */
  readonly id = randomBytes(12).toString("hex");
  readonly label: string;
  readonly user: string;
  /** Why it has ended; undefined while it has not. */
  ended: LabError | undefined;
  private readonly login: Login;
  private readonly sessions = new Slots(SESSIONS);
  /** Sessions that stay. */
  private lasting = 0;
  private runs = 0;
  private readonly onEnd = new Set<(error: LabError) => void>();
  private readonly forwards = new Set<Duplex>();

  /** How long silence is borne. */
  readonly silenceMs: number;

  constructor(login: Login, silenceMs: number) {
    this.login = login;
    this.silenceMs = silenceMs;
    this.label = login.hop.label;
    this.user = login.hop.user;
    let reason = "it was closed";
    login.client.on("error", (error) => (reason = error.message));
    // After this ssh2 throws on every use.
    login.client.on("end", () => this.end(reason));
    login.client.on("close", () => this.end(reason));
  }

  /** A number for a command, new each time. */
  nextRun(): number {
    return ++this.runs;
  }

  /** The work's outcome, or REMOTE_LOST as soon as the connection is lost. */
  async whileOpen<Result>(work: Promise<Result>): Promise<Result> {
    if (this.ended !== undefined) {
      work.catch(() => undefined);
      throw this.ended;
    }
    let leave: ((error: LabError) => void) | undefined;
    const lost = new Promise<never>((_, reject) => this.onEnd.add((leave = reject)));
    try {
      return await Promise.race([work, lost]);
    } finally {
      if (leave !== undefined) this.onEnd.delete(leave);
    }
  }

  /**
   * A session that carries out a command line. When as many are open as the machine allows, it waits until one ends; `lasts` is for
   * those that never do. SSH_SESSIONS where none can be had at all.
   */
  async exec(
    command: string,
    { lasts = false, signal, ...options }: ExecOptions & { lasts?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<ClientChannel> {
    return this.session(lasts, signal, (done) => this.login.client.exec(command, options, done));
  }

  sftp(signal?: AbortSignal): Promise<SFTPWrapper> {
    return this.session(true, signal, (done) => this.login.client.sftp(done));
  }

  private async session<Channel extends { once(event: "close", listener: () => void): unknown }>(
    lasts: boolean,
    signal: AbortSignal | undefined,
    open: (done: (error: Error | undefined, channel: Channel) => void) => void,
  ): Promise<Channel> {
    for (;;) {
      // One try after another.
      const giveBack = await this.whileOpen(this.sessions.take(signal));
      if (lasts) this.lasting++;
      const end = (): void => {
        if (lasts) this.lasting--;
        giveBack();
      };
      try {
        const channel = await this.whileOpen(
          new Promise<Channel>((resolve, reject) => {
            open((error, opened) => (error === undefined ? resolve(opened) : reject(error)));
          }),
        );
        channel.once("close", end);
        return channel;
      } catch (error) {
        end();
        if (/not connected|unusable/i.test(asError(error).message)) this.end(asError(error).message);
        if (this.ended !== undefined) throw this.ended;
        if (!/open failure/i.test(asError(error).message)) throw this.failure(error);
        const others = this.sessions.inUse;
        if (others <= this.lasting) throw this.noSession(error);
        this.sessions.lower(others);
      }
    }
  }

  /** direct-tcpip (RFC 4254, 7.2). Lost with the connection, the stream is an error, not an end. */
  async forward(address: string, port: number): Promise<Duplex> {
    const opening = new Promise<Duplex>((resolve, reject) => {
      this.login.client.forwardOut("127.0.0.1", 0, address, port, (error, channel) =>
        error === undefined ? resolve(channel) : reject(error),
      );
    });
    try {
      const stream = await this.whileOpen(opening);
      this.forwards.add(stream);
      stream.once("close", () => this.forwards.delete(stream));
      // Who has not begun to listen must not bring the process down.
      stream.on("error", () => undefined);
      return stream;
    } catch (error) {
      if (this.ended !== undefined) throw this.ended;
      const why = makeVisibleLine(asError(error).message);
      throw new LabError("REMOTE_NO_CONNECTION", `${this.label} opens no connection to ${address}:${port}: ${why}`, {
        hint: "does anything listen there, and does its sshd allow forwarding (AllowTcpForwarding)?",
        cause: error,
      });
    }
  }

  /** Ends it at once, hops too. */
  close(): void {
    this.lose("it was closed");
  }

  /** As if it had been cut. */
  lose(reason: string): void {
    this.end(reason);
    // A peer that is gone does not answer.
    this.login.client.destroy();
  }

  private end(reason: string): void {
    if (this.ended !== undefined) return;
    const error = new LabError("REMOTE_LOST", `the connection to ${this.label} was lost: ${makeVisibleLine(reason)}`, {
      hint: "what was running there has been ended, or will be within a minute; look whether it was carried out before you repeat it",
    });
    this.ended = error;
    this.login.end();
    for (const tell of this.onEnd) tell(error);
    this.sessions.refuse(error);
    // ssh2 would end them as if all had been said.
    for (const stream of this.forwards) Duplex.prototype.destroy.call(stream, error);
  }

  private failure(error: unknown): LabError {
    const why = makeVisibleLine(asError(error).message);
    return new LabError("SSH_NO_SHELL", `${this.label} starts nothing for ${this.user}: ${why}`, {
      hint: "the account may be for file transfer or forwarding only; the machine's sshd log says why",
      cause: error,
    });
  }

  private noSession(error: unknown): LabError {
    return new LabError("SSH_SESSIONS", `${this.label} allows no more sessions on a connection`, {
      hint: "raise MaxSessions of its sshd_config to the default, 10",
      cause: error,
    });
  }
}
