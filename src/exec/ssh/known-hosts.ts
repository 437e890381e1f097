import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { LabError } from "../../core/errors.ts";
import { quoteWord } from "../../core/shell-word.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import { runTool } from "./ssh-config.ts";
import type { Hop } from "./ssh-config.ts";

/** A line of known_hosts (sshd(8)) that is for the host. */
export interface KnownKey {
  file: string;
  marker: "@revoked" | "@cert-authority" | undefined;
  type: string;
  /** The key's blob (RFC 4253, 6.6), in base64. */
  key: string;
}

/** What known_hosts has for a hop, asked of `ssh-keygen -F`, which reads hashed names and patterns. */
export async function findKnownKeys(
  { hostKeyName, knownHostsFiles }: Pick<Hop, "hostKeyName" | "knownHostsFiles">,
  environment: Record<string, string | undefined>,
): Promise<KnownKey[]> {
  const answers = await Promise.all(
    knownHostsFiles
      .filter((file) => existsSync(file))
      .map(async (file) => {
        const { exitCode, stdout, stderr } = await runTool("ssh-keygen", ["-F", hostKeyName, "-f", file], environment);
        // 1 also says that there is no such host.
        if (exitCode > 1 || (exitCode === 1 && stderr.trim() !== "")) {
          throw new LabError("SSH_CONFIG", `${file} cannot be read: ${makeVisibleLine(stderr.trim())}`);
        }
        return parseFound(stdout, file);
      }),
  );
  return answers.flat();
}

function parseFound(text: string, file: string): KnownKey[] {
  return text.split("\n").flatMap((line): KnownKey[] => {
    const words = line.split(/\s+/).filter((each) => each !== "");
    if (words.length < 3 || words[0]?.startsWith("#")) return [];
    const marker = words[0] === "@revoked" || words[0] === "@cert-authority" ? words.shift() : undefined;
    const [, type = "", key = ""] = words;
    return [{ file, marker: marker as KnownKey["marker"], type, key }];
  });
}

/** The name that a key's blob begins with. */
function typeOf(blob: Buffer): string {
  return blob.length < 4 ? "" : blob.toString("latin1", 4, Math.min(4 + blob.readUInt32BE(0), 64));
}

/** As ssh-keygen -l prints it. */
export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** Types of host keys by the signature algorithms that they are used with (RFC 8332). */
function keyTypeOf(algorithm: string): string {
  return algorithm.startsWith("rsa-sha2-") ? "ssh-rsa" : algorithm;
}

/**
 * Algorithms for host keys in the order to offer: those for which a key is known first, as ssh(1) has it, or a server that prefers
 * another would look as if its key had changed.
 */
export function preferKnown(algorithms: readonly string[], known: readonly KnownKey[]): string[] {
  const types = new Set(known.filter(({ marker }) => marker === undefined).map(({ type }) => type));
  const isKnown = (algorithm: string): boolean => types.has(keyTypeOf(algorithm));
  return [...algorithms.filter(isKnown), ...algorithms.filter((algorithm) => !isKnown(algorithm))];
}

/** Undefined for the key that is known; else SSH_HOST_KEY with its fingerprint and the command that accepts it. */
export function judgeHostKey(blob: Buffer, hop: Hop, known: readonly KnownKey[]): LabError | undefined {
  const key = blob.toString("base64");
  const same = known.filter((each) => each.key === key);
  const seen = `${makeVisibleLine(typeOf(blob))} ${fingerprintOf(blob)}`;
  const revoked = same.find(({ marker }) => marker === "@revoked");
  if (revoked !== undefined) {
    return new LabError("SSH_HOST_KEY", `the host key of ${hop.label} is revoked: ${seen} (${revoked.file})`, {
      hint: "do not connect: who has this key may not be the machine; ask who keeps it for its new key",
    });
  }
  if (same.some(({ marker }) => marker === undefined)) return undefined;
  const others = known.filter(({ marker }) => marker === undefined);
  const authority = known.some(({ marker }) => marker === "@cert-authority");
  const file = others[0]?.file ?? hop.knownHostsFiles[0];
  const accept =
    file === undefined
      ? "no file of known hosts is configured: name one (UserKnownHostsFile or knownHostsFile of the lab), and try again"
      : acceptCommand(hop, typeOf(blob), key, file, others);
  if (others.length > 0) {
    return new LabError(
      "SSH_HOST_KEY",
      `the host key of ${hop.label} is not the one that is known: it is now ${seen}, and ${others
        .map((each) => `${each.type} ${fingerprintOf(Buffer.from(each.key, "base64"))} in ${each.file}`)
        .join(", ")}`,
      {
        hint: `the machine was installed anew, or somebody is in between; if ssh-keygen -lf shows this fingerprint on the machine itself, accept it:\n${accept}`,
      },
    );
  }
  const why = authority
    ? "; known_hosts has a certificate authority for it (@cert-authority), which is not supported: the key itself must be there"
    : "";
  return new LabError("SSH_HOST_KEY", `the host key of ${hop.label} is not known: ${seen}${why}`, {
    hint: `compare the fingerprint with the machine's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub there), then accept it:\n${accept}`,
  });
}

/** The key itself is in the command: asking the machine for it again could get another one. */
function acceptCommand(hop: Hop, type: string, key: string, file: string, others: readonly KnownKey[]): string {
  const name = quoteWord(hop.hostKeyName);
  const removals = [...new Set(others.map((each) => each.file))].map(
    (each) => `ssh-keygen -R ${name} -f ${quoteWord(each)}`,
  );
  const line = `${hop.hostKeyName} ${type} ${key}`;
  return [...removals, `echo ${quoteWord(line)} >> ${quoteWord(file)}`].join(" && ");
}
