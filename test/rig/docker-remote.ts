import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { LabError } from "../../src/core/errors.ts";
import type { Remote, RemoteOptions, RemoteProcess, RemoteResult } from "../../src/exec/ssh/types.ts";
import type { RigMachine } from "./machines.ts";

/** What tests of work on a machine need of {@link Remote}, without SSH in between. */
export type DockerRemote = Pick<Remote, "run" | "step" | "must" | "spawn" | "writeFile" | "readFile">;

export interface DockerRemoteOptions {
  /** Default: the machine's user, who may sudo. */
  user?: string;
  /** What sshd(8) would set: "CLIENT PORT SERVER PORT". */
  sshConnection?: string;
}

/**
 * A machine of the rig without SSH, as its user, with the machine's own sudo: in its namespaces where we are root on the Docker
 * host, which takes milliseconds, else by `docker exec`.
 */
export function dockerRemote(
  { container, user: itsUser }: Pick<RigMachine, "container" | "user">,
  { user = itsUser, sshConnection = "" }: DockerRemoteOptions = {},
): DockerRemote {
  const enter = process.getuid?.() === 0 ? namespaces(container) : undefined;
  const command = (argv: readonly string[], sudo: boolean | undefined): Command => {
    const asUser = sudo === true && user !== "root" ? ["sudo", "--non-interactive", "--", ...argv] : argv;
    const variable = `SSH_CONNECTION=${sshConnection}`;
    if (enter === undefined) {
      return {
        program: "docker",
        args: ["exec", "--interactive", `--user=${user}`, `--env=${variable}`, container, ...asUser],
      };
    }
    const become = [
      "setpriv",
      `--reuid=${user}`,
      `--regid=${user === "nobody" ? "nogroup" : user}`,
      "--init-groups",
      "--",
    ];
    return { program: "nsenter", args: [...enter(), "--", ...become, "env", "-i", PATH, variable, ...asUser] };
  };
  const run = async (argv: readonly string[], options: RemoteOptions = {}): Promise<RemoteResult> =>
    ended(command(argv, options.sudo), options, container);
  const step: DockerRemote["step"] = (script, args = [], options = {}) =>
    run(["sh", "-c", script, "sh", ...args], options);
  return {
    run,
    step,
    must: async (script, args, options) => {
      const { exitCode, stdout, stderr } = await step(script, args, options);
      if (exitCode !== 0) throw new LabError("REMOTE_FAILED", `${container}: ${script}: ${stderr}`);
      return stdout;
    },
    spawn: (argv, options = {}) => Promise.resolve(started(command(argv, options.sudo))),
    writeFile: async (path, content, { sudo, mode = 0o600 } = {}) => {
      if (typeof content !== "string" && !(content instanceof Uint8Array))
        throw new Error("streams are not needed here");
      const script = 'umask 077; cat > "$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"';
      const argv = ["sh", "-c", script, "sh", path, mode.toString(8)];
      const { exitCode, stderr } = await run(argv, { sudo: sudo ?? false, stdin: content });
      if (exitCode !== 0) throw new LabError("REMOTE_FAILED", `${container}: ${path}: ${stderr}`);
    },
    readFile: async (path, { sudo } = {}) => {
      const script = '[ -e "$1" ] || exit 9; base64 "$1"';
      const { exitCode, stdout, stderr } = await run(["sh", "-c", script, "sh", path], { sudo: sudo ?? false });
      if (exitCode === 9) return undefined;
      if (exitCode !== 0) throw new LabError("REMOTE_FAILED", `${container}: ${path}: ${stderr}`);
      return Buffer.from(stdout, "base64");
    },
  };
}

interface Command {
  program: string;
  args: string[];
}

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** How nsenter(1) gets into a container, which has another first process after a restart. */
function namespaces(container: string): () => string[] {
  let pid = 0;
  return () => {
    if (pid === 0 || !existsSync(`/proc/${pid}/root`)) {
      const format = ["inspect", "--format", "{{.State.Pid}}", container];
      pid = Number(execFileSync("docker", format, { encoding: "utf8" }));
    }
    if (pid === 0) throw new LabError("SSH_UNREACHABLE", `${container} is not running`);
    return [`--target=${pid}`, "--all", "--root", "--wd"];
  };
}

function ended(
  { program, args }: Command,
  { stdin = "", timeoutMs = 60_000, signal }: RemoteOptions,
  container: string,
): Promise<RemoteResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const kill = (): boolean => child.kill("SIGKILL");
    const timer = setTimeout(() => {
      kill();
      reject(new LabError("REMOTE_TIMEOUT", `${container} took more than ${timeoutMs} ms`));
    }, timeoutMs);
    signal?.addEventListener("abort", kill, { once: true });
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    // A command that does not read what it is sent ends its input early.
    child.stdin.on("error", () => child.stdin.destroy());
    child.on("error", reject);
    child.on("close", (exitCode) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", kill);
      const [stdout, stderr] = [Buffer.concat(out).toString("utf8"), Buffer.concat(err).toString("utf8")];
      if (signal?.aborted === true) reject(signal.reason as Error);
      else if (exitCode === 1 && /^Error response from daemon: .*is not running/.test(stderr)) {
        reject(new LabError("SSH_UNREACHABLE", `${container} is not running`));
      } else if (exitCode === null) reject(new LabError("REMOTE_LOST", `${container}: the command was killed`));
      else resolve({ exitCode, signal: null, stdout, stderr });
    });
    child.stdin.end(stdin);
  });
}

function started({ program, args }: Command): RemoteProcess {
  const child = spawn(program, args);
  return {
    stdin: child.stdin as Writable,
    stdout: child.stdout as Readable,
    stderr: child.stderr as Readable,
    ended: new Promise((resolve) => {
      child.on("close", (exitCode, signal) => resolve({ exitCode, signal }));
    }),
    kill: () =>
      new Promise((resolve) => {
        child.on("close", () => resolve());
        child.kill("SIGKILL");
      }),
  };
}
