import { constants } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { LabError } from "../../../core/errors.ts";
import { runLocal } from "../../../exec/local.ts";

/** A secret that waits for the one who reads it. */
export interface SecretPipe {
  /** To be called in any case; the name stays, with nothing behind it. */
  end(): Promise<void>;
}

/**
 * A named pipe (fifo(7)) that gives `text`, up to 4 KiB, to its first reader, and nobody else but its owner may open: the secret is in no
 * file, whenever we are killed. Resolves when it can be opened. `path` is in a folder of ours. Rejects with SECRET_PIPE.
 */
export async function secretPipe(path: string, text: string): Promise<SecretPipe> {
  const { exitCode, notStarted, lines } = await runLocal("mkfifo", ["-m", "600", path]);
  if (exitCode !== 0) {
    throw new LabError("SECRET_PIPE", `no pipe for a password can be made: ${notStarted ?? lines.join(" ")}`);
  }
  const writing = writeFile(path, text).catch((error: unknown) => {
    // Whoever had opened it was ended before it read.
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  });
  return {
    end: async () => {
      // Where nobody has read it, its writer waits for somebody to.
      const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        await writing;
      } finally {
        await reader.close();
      }
    },
  };
}
