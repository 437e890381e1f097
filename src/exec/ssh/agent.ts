import { readFile } from "node:fs/promises";
import type { BaseAgent, IdentityCallback, ParsedKey, SigningRequestOptions } from "ssh2";
import { asError } from "../../core/as-error.ts";
import type { Hop } from "./ssh-config.ts";

/** The blobs of the public keys beside the identity files, in base64: what ssh(1) knows an agent's key by. */
async function configuredKeys(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(
    files.map((file) => readFile(`${file}.pub`, "utf8").catch(() => readFile(file, "utf8").catch(() => ""))),
  );
  return texts.flatMap((text) => /^[\w@.-]+ ([A-Za-z0-9+/=]+)/.exec(text)?.[1] ?? []);
}

/**
 * The agent of a hop, undefined where it has none that answers with a key: keys that the configuration names come first, and alone
 * under IdentitiesOnly, since servers give up after a few.
 */
export async function openAgent(hop: Hop): Promise<{ agent: BaseAgent; count: number } | { none: string }> {
  if (hop.agent === undefined) return { none: "no agent" };
  const { createAgent, BaseAgent } = (await import("ssh2")).default;
  const inner = createAgent(hop.agent) as BaseAgent<ParsedKey>;
  let all: ParsedKey[];
  try {
    all = await new Promise<ParsedKey[]>((resolve, reject) =>
      inner.getIdentities((error, keys) => (error ? reject(error) : resolve((keys ?? []) as ParsedKey[]))),
    );
  } catch (error) {
    return { none: `the agent does not answer (${asError(error).message})` };
  }
  const configured = await configuredKeys(hop.identityFiles);
  const rank = (key: ParsedKey): number => configured.indexOf(key.getPublicSSH().toString("base64"));
  const named = all.filter((key) => rank(key) !== -1).toSorted((left, right) => rank(left) - rank(right));
  const keys = hop.identitiesOnly ? named : [...named, ...all.filter((key) => rank(key) === -1)];
  if (keys.length === 0)
    return { none: all.length === 0 ? "an agent without keys" : "an agent without the keys named" };
  class Chosen extends BaseAgent<ParsedKey> {
    override getIdentities(callback: IdentityCallback<ParsedKey>): void {
      callback(undefined, keys);
    }
    override sign(
      key: ParsedKey,
      data: Buffer,
      options: SigningRequestOptions | ((error?: Error | null, signature?: Buffer) => void),
      callback?: (error?: Error | null, signature?: Buffer) => void,
    ): void {
      if (typeof options === "function") inner.sign(key, data, options);
      else inner.sign(key, data, options, callback);
    }
  }
  return { agent: new Chosen(), count: keys.length };
}
