import { createSecureContext } from "node:tls";

/** A server's certificate, with those of its authorities behind it, and its private key, as PEM. */
export interface KeyPair {
  cert: string;
  key: string;
}

/** What loading the pair would fail with: a file that is none, or a key of another certificate; undefined where both are right. */
export function keyPairFault({ cert, key }: KeyPair): string | undefined {
  try {
    createSecureContext({ cert, key });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
