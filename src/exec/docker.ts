import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type { Duplex, Readable } from "node:stream";
import type Dockerode from "dockerode";
import { LabError } from "../core/errors.ts";
import { dockerHost } from "./docker-address.ts";

/** What dockerode's untyped `modem` is used for here: docker-modem is its package, not ours. */
interface Demultiplexer {
  demuxStream(stream: Readable, stdout: PassThrough, stderr: PassThrough): void;
}

/** A client of the engine that the docker command would use too; connects with the first call. */
export async function openDocker(env: Record<string, string | undefined> = process.env): Promise<Dockerode> {
  const { default: Docker } = await import("dockerode");
  const host = dockerHost(env);
  if (host === undefined || host === env["DOCKER_HOST"]) return new Docker();
  if (host.startsWith("unix://")) return new Docker({ socketPath: host.slice("unix://".length) });
  const url = new URL(host);
  const protocol = url.protocol === "ssh:" ? "ssh" : "http";
  return new Docker({
    protocol,
    host: url.hostname,
    port: url.port === "" ? (protocol === "ssh" ? 22 : 2375) : url.port,
  });
}

/** Whether the engine said that there is no such object. */
export function isMissing(error: unknown): boolean {
  return (error as { statusCode?: number }).statusCode === 404;
}

/** The engine's own words of a failed call. */
export function dockerReason(error: unknown): string {
  const said = (error as { json?: { message?: string } | null }).json?.message;
  return said ?? (error instanceof Error ? error.message : String(error));
}

/** HOST_DOCKER_UNREACHABLE where the engine did not answer, DOCKER_FAILED where it refused; what is ours stays. */
export function dockerError(what: string, error: unknown): unknown {
  if (error instanceof LabError || (error instanceof Error && error.name === "AbortError")) return error;
  const { statusCode, code } = error as { statusCode?: number; code?: string };
  if (statusCode === undefined && code !== undefined) {
    return new LabError("HOST_DOCKER_UNREACHABLE", `the Docker engine does not answer: ${dockerReason(error)}`, {
      hint: "start Docker, or set DOCKER_HOST; cnilab doctor says what is missing",
      cause: error,
    });
  }
  return new LabError("DOCKER_FAILED", `Docker could not ${what}: ${dockerReason(error)}`, { cause: error });
}

/** Containers with all these labels (`key` or `key=value`), running or not. */
export function containersWith(docker: Dockerode, labels: readonly string[]): Promise<Dockerode.ContainerInfo[]> {
  return docker.listContainers({ all: true, filters: { label: [...labels] } });
}

/** Removes a container with its anonymous volumes, running or not; one that is gone, or going, is fine. */
export async function removeContainer(docker: Dockerode, id: string): Promise<void> {
  try {
    await docker.getContainer(id).remove({ force: true, v: true });
  } catch (error) {
    // 409: another removal of it is under way.
    if (!isMissing(error) && !/removal of container .* is already in progress/.test(dockerReason(error))) throw error;
  }
}

export interface ContainerExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs argv in a running container to its end; `stdin` is closed where it is not given. */
export async function execIn(
  container: Dockerode.Container,
  argv: readonly string[],
  { stdin, env = [], signal }: { stdin?: Readable; env?: string[]; signal?: AbortSignal } = {},
): Promise<ContainerExecResult> {
  const command = await container.exec({
    Cmd: [...argv],
    Env: env,
    AttachStdin: stdin !== undefined,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream: Duplex = await command.start({ hijack: true, stdin: stdin !== undefined });
  const abort = (): void => void stream.destroy(signal?.reason as Error);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    (container.modem as Demultiplexer).demuxStream(stream, stdout, stderr);
    const ended = new Promise<void>((resolve, reject) => {
      stream.once("end", resolve);
      stream.once("close", resolve);
      stream.once("error", reject);
    }).finally(() => {
      stdout.end();
      stderr.end();
    });
    const fed =
      stdin === undefined
        ? Promise.resolve()
        : new Promise<void>((resolve, reject) => {
            stdin.once("error", reject);
            stdin.once("end", resolve);
            stdin.pipe(stream);
          });
    const [out, err] = await Promise.all([text(stdout), text(stderr), ended, Promise.race([fed, ended])]);
    signal?.throwIfAborted();
    // The stream ends before the engine has taken note of the exit code.
    for (;;) {
      const { Running, ExitCode } = await command.inspect();
      if (!Running && ExitCode !== null) return { exitCode: ExitCode, stdout: out, stderr: err };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** As {@link execIn}, but a failure is an error: NODE_COMMAND_FAILED with what the command said. */
export async function mustExecIn(
  container: Dockerode.Container,
  argv: readonly string[],
  options: { stdin?: Readable; env?: string[]; signal?: AbortSignal } = {},
): Promise<string> {
  const { exitCode, stdout, stderr } = await execIn(container, argv, options);
  if (exitCode === 0) return stdout;
  const said = (stderr.trim() === "" ? stdout : stderr).trim().split("\n").slice(-5).join("\n");
  throw new LabError("NODE_COMMAND_FAILED", `${argv[0] ?? ""} failed in a node (exit ${exitCode}): ${said}`);
}
