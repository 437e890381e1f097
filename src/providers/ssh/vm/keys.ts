import { readFile } from "node:fs/promises";
import { LabError } from "../../../core/errors.ts";
import { makeVisible } from "../../../core/visible-text.ts";
import { runLocal } from "../../../exec/local.ts";

export interface KeyPair {
  /** As OpenSSH writes it, with a line break at the end. */
  privateKey: string;
  /** Type and base64, without a comment. */
  publicKey: string;
}

/** A new Ed25519 key without a passphrase, in `file` and `file.pub`. Rejects with VM_KEY. */
export async function makeKey(file: string, signal: AbortSignal): Promise<KeyPair> {
  const args = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file];
  const { exitCode, lines, notStarted } = await runLocal("ssh-keygen", args, { signal });
  if (exitCode !== 0) {
    throw new LabError("VM_KEY", `ssh-keygen makes no key: ${makeVisible(notStarted ?? lines.join("\n"))}`, {
      hint: "apt-get install openssh-client",
    });
  }
  const [privateKey, publicKey] = await Promise.all([readFile(file, "utf8"), readFile(`${file}.pub`, "utf8")]);
  return { privateKey, publicKey: publicKey.trim() };
}
