import { readFile } from "node:fs/promises";
import { stdin, stderr } from "node:process";
import type { ParsedKey } from "ssh2";
import { LabError } from "../../core/errors.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import type { Ask, Question } from "./types.ts";

/** As often as ssh(1) asks for one passphrase or password. */
const TRIES = 3;

/**
 * What the user answered, for as long as this object lives: many connections, and those that take a lost one's place, ask once. It
 * is in memory only.
 */
export class Answers {
  private readonly ask: Ask | undefined;
  private readonly keys = new Map<string, Promise<ParsedKey>>();
  private readonly secrets = new Map<string, Promise<string | undefined>>();
  /** A terminal has room for one question. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(ask: Ask | undefined) {
    this.ask = ask;
  }

  get canAsk(): boolean {
    return this.ask !== undefined;
  }

  /** Every time. */
  askAnew(question: Question): Promise<string | undefined> {
    const { ask } = this;
    if (ask === undefined) return Promise.resolve(undefined);
    const answer = this.turn.then(() => ask({ ...question, text: makeVisibleLine(question.text) }));
    this.turn = answer.catch(() => undefined);
    return answer;
  }

  /** Once for `id`, until {@link forget}. */
  askOnce(id: string, question: Question): Promise<string | undefined> {
    const known = this.secrets.get(id) ?? this.askAnew(question);
    this.secrets.set(id, known);
    known.catch(() => this.secrets.delete(id));
    return known;
  }

  /** The answer was wrong. */
  forget(id: string): void {
    this.secrets.delete(id);
  }

  /** A private key from its file; SSH_AUTH with the reason where it cannot be had. */
  key(file: string, mayAsk: boolean): Promise<ParsedKey> {
    const known = this.keys.get(file) ?? this.readKey(file, mayAsk);
    this.keys.set(file, known);
    // A file may be put right, and a question answered the next time.
    known.catch(() => this.keys.delete(file));
    return known;
  }

  private async readKey(file: string, mayAsk: boolean): Promise<ParsedKey> {
    const { utils } = (await import("ssh2")).default;
    const content = await readFile(file);
    const parse = (passphrase?: string): ParsedKey | Error => {
      const parsed = utils.parseKey(content, passphrase) as ParsedKey | Error | [ParsedKey];
      // OpenSSH's format is a list of one.
      return Array.isArray(parsed) ? parsed[0] : parsed;
    };
    let key = parse();
    for (let attempt = 0; key instanceof Error && /passphrase/i.test(key.message) && attempt < TRIES; attempt++) {
      const again = attempt === 0 ? "" : "; that was not it";
      const text = `Passphrase of the key ${file}${again}: `;
      const passphrase = mayAsk ? await this.askAnew({ kind: "passphrase", text, echo: false }) : undefined;
      if (passphrase === undefined) {
        throw new LabError("SSH_AUTH", `${file} is encrypted, and there is no terminal to ask for its passphrase`, {
          hint: `put it into an agent first: ssh-add ${file}`,
        });
      }
      key = parse(passphrase);
    }
    if (key instanceof Error) throw new LabError("SSH_AUTH", `${file}: ${makeVisibleLine(key.message)}`);
    if (!key.isPrivateKey()) throw new LabError("SSH_AUTH", `${file} is not a private key`);
    return key;
  }
}

/** Asks on this process's terminal; undefined where it has none. What is typed is not shown, and ctrl-C answers nothing. */
export function askOnTerminal(): Ask | undefined {
  if (!stdin.isTTY || !stderr.isTTY) return undefined;
  return ({ text, echo }) =>
    new Promise((resolve, reject) => {
      let typed = "";
      stderr.write(text);
      const end = (answer: string | undefined): void => {
        stdin.off("data", onData);
        stdin.off("error", reject);
        stdin.setRawMode(false);
        stdin.pause();
        stderr.write("\n");
        resolve(answer);
      };
      const onData = (bytes: Buffer): void => {
        for (const character of bytes.toString("utf8")) {
          if (character === "\r" || character === "\n") return end(typed);
          // ctrl-C, and ctrl-D where nothing was typed
          if (character === "\u0003" || (character === "\u0004" && typed === "")) return end(undefined);
          if (character === "\u007f" || character === "\b") typed = [...typed].slice(0, -1).join("");
          else {
            typed += character;
            if (echo) stderr.write(makeVisibleLine(character));
          }
        }
      };
      stdin.setRawMode(true);
      stdin.on("data", onData);
      stdin.once("error", reject);
      stdin.resume();
    });
}
