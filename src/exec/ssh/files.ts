import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { SFTPWrapper } from "ssh2";
import { asError } from "../../core/as-error.ts";
import { LabError } from "../../core/errors.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import { collect } from "./collect.ts";
import type { Station } from "./station.ts";

/** What SFTP servers take in one request, and how many are on the way at a time. */
const PIECE = 32 * 1024;
const PIECES_UNDERWAY = 32;

type FileSource = string | Uint8Array | Readable;
type Callback = (error?: Error | null) => void;

/** sh(1) code of a step that must succeed. */
export type Must = (script: string, args: readonly string[], sudo: boolean) => Promise<string>;

/**
 * Writes a file beside the path, then renames it: by SFTP, or as root by a shell, which is what sudo(8) starts. The file never has
 * more permissions than it shall have. It is removed after any failure: by us, or by the warden where the connection is lost.
 */
export async function writeRemoteFile(
  station: Station,
  must: Must,
  path: string,
  content: FileSource,
  { sudo, mode, signal }: { sudo: boolean; mode: number; signal: AbortSignal | undefined },
): Promise<void> {
  if (!path.startsWith("/") || path.endsWith("/") || path.includes("\0")) {
    throw new LabError("REMOTE_BAD_ARGUMENT", `${JSON.stringify(path)} is not the absolute path of a file`);
  }
  const { warden, as } = await station.post(sudo);
  const asRoot = as.kind !== "user";
  const part = `${path.slice(0, path.lastIndexOf("/"))}/.cnilab-${randomBytes(8).toString("hex")}`;
  const source = content instanceof Readable ? content : Readable.from([Buffer.from(content)]);
  warden.guardFile(part);
  try {
    const sftp = asRoot ? undefined : await station.sftp().catch((error: unknown) => noSftp(error));
    if (sftp === undefined) {
      await pour(station, source, part, asRoot, signal);
      const rename = 'chmod "$3" "$1" && sync "$1" && mv -fT "$1" "$2"';
      await must(rename, [part, path, mode.toString(8)], asRoot);
    } else {
      const { connection } = station;
      await connection.whileOpen(send(sftp, source, part, mode, signal));
      if (!(await connection.whileOpen(rename(sftp, part, path)))) await must('mv -fT "$1" "$2"', [part, path], false);
    }
  } catch (error) {
    source.destroy();
    if (station.connection.ended === undefined) await must('rm -f "$1"', [part], asRoot);
    // A broken stream tells it first.
    signal?.throwIfAborted();
    if (error instanceof LabError) throw error;
    if (station.connection.ended !== undefined) throw station.connection.ended;
    const why = makeVisibleLine(asError(error).message);
    throw new LabError("REMOTE_FILE", `${station.connection.label}: ${makeVisibleLine(path)} is not written: ${why}`, {
      cause: error,
    });
  } finally {
    warden.keepFile(part);
  }
}

/** No SFTP server on the machine: the shell serves. A lost connection is none of that. */
function noSftp(error: unknown): undefined {
  if (error instanceof LabError && error.code !== "SSH_NO_SHELL" && error.code !== "SSH_SESSIONS") throw error;
  return undefined;
}

/** Everything into a new file, which only its owner can read meanwhile. */
async function send(
  sftp: SFTPWrapper,
  source: Readable,
  path: string,
  mode: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await new Promise<Buffer>((resolve, reject) =>
    sftp.open(path, "wx", { mode: 0o600 }, (error, opened) => (error ? reject(error) : resolve(opened))),
  );
  const call = (start: (done: Callback) => void): Promise<void> =>
    new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
  try {
    const underway = new Set<Promise<void>>();
    let position = 0;
    for await (const chunk of source) {
      signal?.throwIfAborted();
      const bytes = Buffer.from(chunk as Uint8Array | string);
      for (let at = 0; at < bytes.length; at += PIECE) {
        const length = Math.min(PIECE, bytes.length - at);
        const place = position + at;
        const written = call((done) => sftp.write(handle, bytes, at, length, place, done));
        underway.add(written);
        void written.finally(() => underway.delete(written)).catch(() => undefined);
        if (underway.size >= PIECES_UNDERWAY) await Promise.race(underway);
      }
      position += bytes.length;
    }
    await Promise.all(underway);
    signal?.throwIfAborted();
    await call((done) => sftp.fchmod(handle, mode, done));
    await call((done) => {
      if (hasExtension(sftp, "fsync@openssh.com")) sftp.ext_openssh_fsync(handle, done);
      else done();
    });
  } finally {
    await call((done) => sftp.close(handle, done));
  }
}

/** Over an existing file, which plain SFTP does not allow; false where the server cannot. */
async function rename(sftp: SFTPWrapper, from: string, to: string): Promise<boolean> {
  if (!hasExtension(sftp, "posix-rename@openssh.com")) return false;
  await new Promise<void>((resolve, reject) =>
    sftp.ext_openssh_rename(from, to, (error) => (error ? reject(error) : resolve())),
  );
  return true;
}

/** ssh2 has a server's extensions but no way to ask for them. */
function hasExtension(sftp: SFTPWrapper, name: string): boolean {
  return (sftp as unknown as { _extensions: Record<string, unknown> })._extensions[name] !== undefined;
}

/** Everything into a new file by a shell's standard input. */
async function pour(
  station: Station,
  source: Readable,
  path: string,
  asRoot: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const program = await station.start(["sh", "-c", 'umask 077; set -C; exec cat > "$1"', "sh", path], asRoot, signal);
  try {
    const output = collect(program, 64 * 1024, () => undefined, undefined);
    const fed = pipeline(source, program.channel, { signal, end: true });
    // A cat that cannot write ends before it has read all.
    const { exitCode } = await Promise.race([program.ended, fed.then(() => program.ended)]);
    if (exitCode !== 0) throw new Error((await output).stderr.toString("utf8").trim());
  } catch (error) {
    await program.kill();
    throw error;
  }
}

/** The file's content; undefined where there is none. */
export async function readRemoteFile(
  station: Station,
  path: string,
  { sudo, signal }: { sudo: boolean; signal: AbortSignal | undefined },
): Promise<Buffer | undefined> {
  const missing = 44;
  const code = `[ -e "$1" ] || [ -h "$1" ] || exit ${missing}; exec cat -- "$1"`;
  const program = await station.start(["sh", "-c", code, "sh", path], sudo, signal);
  const onAbort = (): void => void program.kill();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    program.channel.end();
    let isTooMuch = false;
    const tooMuch = (): void => {
      isTooMuch = true;
      void program.kill();
    };
    const output = await collect(program, READ_LIMIT, tooMuch, undefined);
    const { exitCode } = await program.ended;
    signal?.throwIfAborted();
    if (isTooMuch) {
      throw new LabError("REMOTE_OUTPUT_LIMIT", `${makeVisibleLine(path)} has more than ${READ_LIMIT >> 20} MiB`);
    }
    if (exitCode === missing) return undefined;
    if (exitCode === 0) return output.stdout;
    const why = makeVisibleLine(output.stderr.toString("utf8").trim());
    throw new LabError("REMOTE_FILE", `${station.connection.label}: ${makeVisibleLine(path)} cannot be read: ${why}`);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Nothing that is read into memory has more. */
const READ_LIMIT = 64 << 20;
