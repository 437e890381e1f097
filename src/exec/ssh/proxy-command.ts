import { spawn } from "node:child_process";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { makeVisible } from "../../core/visible-text.ts";

const SAID_LIMIT = 2000;

/**
 * ProxyCommand of ssh_config(5): its standard input and output are the connection, which ends when it does, and which it does not
 * outlive. One that fails before it has brought a byte is an error with its own words: trying again would not mend it.
 */
export function openProxy(command: string): Duplex {
  const child = spawn("sh", ["-c", `exec ${command}`], { stdio: "pipe", detached: true });
  let hasBrought = false;
  let said = "";
  const stream = new Duplex({
    read: () => child.stdout.resume(),
    // One that reads no more has ended, or is about to: its exit code says more than the broken pipe.
    write: (chunk, _encoding, done) => child.stdin.write(chunk, () => done()),
    final: (done) => child.stdin.end(() => done()),
    destroy: (error, done) => {
      child.kill("SIGKILL");
      done(error);
    },
  });
  child.stdin.on("error", () => undefined);
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-SAID_LIMIT)));
  child.stdout.on("data", (chunk: Buffer) => {
    hasBrought = true;
    if (!stream.push(chunk)) child.stdout.pause();
  });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  // What it left behind may hold its standard error open: that is not waited for.
  Promise.all([exited, once(child.stdout, "end")]).then(
    ([[code, signal]]) => {
      if (hasBrought || code === 0) return void stream.push(null);
      const words = said.trim() === "" ? "" : `: ${makeVisible(said.trim())}`;
      stream.destroy(new Error(`ProxyCommand ended (${signal ?? `exit ${code}`})${words}`));
    },
    (error: Error) => stream.destroy(error),
  );
  return stream;
}
