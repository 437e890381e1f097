import type { Readable } from "node:stream";
import type Dockerode from "dockerode";
import { LabError } from "../core/errors.ts";

/** An image in the local Docker engine. */
export interface LocalImage {
  /** As the engine names it: the config's digest, or the manifest's where images are kept by containerd. */
  id: string;
  /** Digests of the unpacked layers; the same in every engine that has this image. */
  diffIds: string[];
  /** When it was made, RFC 3339; empty where the image does not say. */
  created: string;
}

/** What supplies need of a Docker engine; tests pass their own. */
export interface DockerImages {
  /** Undefined where there is no such image. */
  inspect(reference: string): Promise<LocalImage | undefined>;
  pull(reference: string, options: { onProgress: (message: string) => void; signal?: AbortSignal }): Promise<void>;
  /** `docker save`: one archive of all of them. */
  save(references: readonly string[]): Promise<Readable>;
  /** `docker load`; rejects where the engine refuses the archive. */
  load(archive: Readable): Promise<void>;
}

/** One line of what the engine says while it pulls or loads. */
interface EngineMessage {
  status?: string;
  id?: string;
  progress?: string;
  error?: string;
}

/** The images of a Docker engine. */
export function dockerImages(docker: Dockerode): DockerImages {
  return {
    async inspect(reference) {
      try {
        const { Id, RootFS, Created } = await docker.getImage(reference).inspect();
        return { id: Id, diffIds: RootFS.Layers ?? [], created: Created ?? "" };
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode === 404) return undefined;
        throw unreachable(error);
      }
    },
    async pull(reference, { onProgress, signal }) {
      const stream = await docker.pull(reference, signal === undefined ? {} : { abortSignal: signal });
      await readMessages(docker, stream, ({ status, id, progress }) => {
        if (status !== undefined) onProgress([id, status, progress].filter((part) => part !== undefined).join(" "));
      });
    },
    save: (references) =>
      new Promise((resolve, reject) => {
        // dockerode's own method takes one image; the engine puts layers that several share into the archive once.
        docker.modem.dial(
          {
            path: "/images/get?",
            method: "GET",
            options: { names: [...references] },
            isStream: true,
            statusCodes: { 200: true, 404: "no such image", 500: "server error" },
          },
          (error: unknown, stream: unknown) =>
            error === null || error === undefined ? resolve(stream as Readable) : reject(error as Error),
        );
      }),
    async load(archive) {
      // The request does not notice an archive that ends in an error, and would wait for the rest for ever.
      const broken = new Promise<never>((_, reject) => {
        archive.once("error", reject);
      });
      const loaded = docker
        .loadImage(archive, { quiet: true })
        .then((stream) => readMessages(docker, stream, () => undefined));
      await Promise.race([loaded, broken]);
    },
  };
}

/** Resolves at the end of the engine's messages; an error among them is the call's. */
async function readMessages(
  docker: Dockerode,
  stream: NodeJS.ReadableStream,
  onMessage: (message: EngineMessage) => void,
): Promise<void> {
  const messages = await new Promise<EngineMessage[]>((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error: Error | null, all: EngineMessage[]) => (error === null ? resolve(all) : reject(error)),
      onMessage,
    );
  });
  const refused = messages.find(({ error }) => error !== undefined);
  if (refused !== undefined) throw new Error(refused.error);
}

function unreachable(cause: unknown): LabError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LabError("HOST_DOCKER_UNREACHABLE", `the Docker engine does not answer: ${reason}`, {
    hint: "start Docker, or set DOCKER_HOST; cnilab doctor says what is missing",
    cause,
  });
}
