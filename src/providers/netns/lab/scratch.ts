import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { calls, check, MS_NODEV, MS_NOEXEC, MS_NOSUID } from "../../../kernel/libc.ts";

/** Files in memory that sandboxes bind into /etc: seen in the lab's mount namespace only, gone with it. */
export class Scratch {
  private readonly root: string;

  /** Mounts memory over `folder`, which the host keeps seeing empty. */
  constructor(folder: string) {
    this.root = folder;
    check(
      "mount",
      calls.mount("cnilab", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64m,mode=755"),
      folder,
    );
  }

  /** Writes a set of files; `owner` and the names become path parts and must be free of slashes. Name → path. */
  write(owner: string, files: Record<string, string>): Record<string, string> {
    const folder = join(this.root, owner);
    mkdirSync(folder, { recursive: true });
    return Object.fromEntries(
      Object.entries(files).map(([name, text]) => {
        const path = join(folder, name);
        writeFileSync(path, text);
        return [name, path];
      }),
    );
  }
}
