import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { AnyAuthMethod, AuthHandlerMiddleware, NextAuthHandler } from "ssh2";
import { asError } from "../../core/as-error.ts";
import { LabError } from "../../core/errors.ts";
import { makeVisible, makeVisibleLine } from "../../core/visible-text.ts";
import { openAgent } from "./agent.ts";
import type { Answers } from "./answers.ts";
import type { Hop } from "./ssh-config.ts";

/** As ssh(1): NumberOfPasswordPrompts. */
const PASSWORD_TRIES = 3;
const HINT_LIMIT = 2000;

/** What a person answers must not be held against the server: clocks stand still meanwhile. */
export interface Pausable {
  paused<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** Tries to log in at one hop, in the order of ssh(1): agent, key files, then what has to be asked. */
export class Authentication {
  /** What was tried, without any secret. */
  readonly tried: string[] = [];
  private readonly hop: Hop;
  private readonly answers: Answers;
  private readonly clock: Pausable;
  private readonly steps: AsyncGenerator<AnyAuthMethod, void, ReadonlySet<string>>;
  private passwordId: string;

  constructor(hop: Hop, answers: Answers, clock: Pausable) {
    this.hop = hop;
    this.answers = answers;
    this.clock = clock;
    this.passwordId = `password ${hop.user}@${hop.hostKeyName}`;
    this.steps = this.methods();
  }

  /** For ssh2, which asks for the next method after each refusal. */
  readonly handler: AuthHandlerMiddleware = (allowed, _partial, next: NextAuthHandler) => {
    // Null before the server has said what it takes; ssh2's types do not know.
    const methods = new Set<string>((allowed as readonly string[] | null) ?? []);
    const answer = async (): Promise<void> => {
      let method: AnyAuthMethod | false = false;
      try {
        method = (await this.steps.next(methods)).value ?? false;
      } catch (error) {
        this.tried.push(asError(error).message);
      }
      next(method as AnyAuthMethod);
    };
    void answer();
  };

  /** What is to be said when all of it was refused. `banner` is the server's own text. */
  failure(banner: string): LabError {
    const { label, user } = this.hop;
    const tried = this.tried.length === 0 ? "there was nothing to try" : `tried: ${this.tried.join(", ")}`;
    const said = banner.trim() === "" ? "" : `\nthe server says: ${makeVisible(banner.trim()).slice(0, HINT_LIMIT)}`;
    return new LabError("SSH_AUTH", `${label} does not let ${user} in; ${tried}${said}`, {
      hint: "add a key to the agent (ssh-add), name one (IdentityFile), or try by hand: ssh -v says why a key is not taken",
    });
  }

  private async *methods(): AsyncGenerator<AnyAuthMethod, void, ReadonlySet<string>> {
    const { hop } = this;
    const username = hop.user;
    // Asking for nothing makes the server say what it takes.
    let allowed = yield { type: "none", username };
    const may = (method: string): boolean => hop.methods.has(method) && allowed.has(method);
    if (may("publickey")) {
      const found = await openAgent(hop);
      if ("none" in found) this.tried.push(found.none);
      else {
        this.tried.push(`agent (${found.count} ${found.count === 1 ? "key" : "keys"})`);
        allowed = yield { type: "agent", username, agent: found.agent };
      }
      for (const file of hop.identityFiles.filter((each) => existsSync(each))) {
        if (!may("publickey")) break;
        try {
          const key = await this.clock.paused(() => this.answers.key(file, this.mayAsk()));
          this.tried.push(`key ${makeVisibleLine(file)}`);
          allowed = yield { type: "publickey", username, key };
        } catch (error) {
          this.tried.push(`key ${basename(file)} not usable: ${asError(error).message}`);
        }
      }
    }
    for (let attempt = 0; may("keyboard-interactive") && this.mayAsk() && attempt < PASSWORD_TRIES; attempt++) {
      this.tried.push("keyboard-interactive");
      allowed = yield { type: "keyboard-interactive", username, prompt: this.prompt };
      this.answers.forget(this.passwordId);
    }
    for (let attempt = 0; may("password") && this.mayAsk() && attempt < PASSWORD_TRIES; attempt++) {
      const text = `Password of ${username} on ${hop.label}: `;
      const password = await this.clock.paused(() =>
        this.answers.askOnce(this.passwordId, { kind: "password", text, echo: false }),
      );
      if (password === undefined) break;
      this.tried.push("password");
      allowed = yield { type: "password", username, password };
      this.answers.forget(this.passwordId);
    }
    for (const method of ["keyboard-interactive", "password"]) {
      if (may(method) && !this.mayAsk()) this.tried.push(`${method} not tried: there is no terminal to ask on`);
    }
    const wanted = [...allowed].filter((method) => !hop.methods.has(method));
    if (wanted.length > 0) this.tried.push(`not supported or turned off: ${makeVisibleLine(wanted.join(", "))}`);
  }

  private mayAsk(): boolean {
    return this.answers.canAsk && !this.hop.isBatch;
  }

  /** RFC 4256: a server may ask anything, several times; a password is kept, a code is not. */
  private readonly prompt = (
    _name: string,
    instructions: string,
    _language: string,
    prompts: readonly { prompt: string; echo?: boolean }[],
    finish: (answers: string[]) => void,
  ): void => {
    const answerAll = async (): Promise<string[]> => {
      const given: string[] = [];
      for (const { prompt, echo = false } of prompts) {
        const isPassword = !echo && /pass/i.test(prompt) && !/one-time|otp|code|token/i.test(prompt);
        const asked = [instructions.trim(), prompt.trim()].filter((each) => each !== "").join(" ");
        const text = `${this.hop.label} asks ${this.hop.user}: ${asked} `.slice(0, HINT_LIMIT);
        // One question at a time.
        const answer = await (isPassword
          ? this.answers.askOnce(this.passwordId, { kind: "password", text, echo })
          : this.answers.askAnew({ kind: "code", text, echo }));
        given.push(answer ?? "");
      }
      return given;
    };
    this.clock.paused(answerAll).then(finish, (error: unknown) => {
      this.tried.push(asError(error).message);
      finish([]);
    });
  };
}
