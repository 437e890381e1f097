import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { containersWith, dockerError, isMissing, mustExecIn, removeContainer } from "../../exec/docker.ts";
import { dockerImages } from "../../supplies/docker-images.ts";
import { isMakerAlive, thisMaker } from "./maker.ts";
import {
  BUILD_ADDRESS,
  BUILD_SCRIPT,
  LAYOUT_VERSION,
  LINK_SCRIPT,
  STORE_PATH,
  UNPACK_SCRIPT,
  WAIT_SCRIPT,
} from "./node-store.ts";

const REPOSITORY = "cnilab/node";

const BUILD_CONTAINER = "cnilab-node-build";

/** How many prepared images are kept, the newest; one in use stays, whatever its age. */
export const KEPT_IMAGES = 3;

const LABEL = {
  /** On images: the base image's id and the layout. */
  base: "cnilab.dev/node-base",
  /** On images: JSON, reference → id of every image inside. */
  images: "cnilab.dev/node-images",
  /** On images and volumes: the image's hash. */
  hash: "cnilab.dev/node-hash",
  /** On the container that makes an image: whose work it is. */
  maker: "cnilab.dev/node-maker",
} as const;

/** A node image that has a lab's images unpacked, and the volume where they lie. */
export interface PreparedNodeImage {
  /** "cnilab/node:HASH". */
  reference: string;
  volume: string;
  /** The volume's folder on the Docker host, to be mounted at STORE_PATH. */
  storeOnHost: string;
  wasMade: boolean;
}

export interface PrepareOptions {
  docker: Dockerode;
  /** The node image as kind knows it. */
  base: { reference: string; id: string };
  /** Reference → id, all in the engine. */
  images: ReadonlyMap<string, string>;
  signal: AbortSignal;
  progress: (message: string) => void;
}

interface Candidate {
  reference: string;
  id: string;
  hash: string;
  created: number;
  images: Record<string, string>;
}

/** Volume that belongs to a prepared image. */
function volumeName(hash: string): string {
  return `cnilab-node-${hash}`;
}

/**
 * A node image with all these images inside, made once a host: a later lab takes any that has what it needs. A new one also
 * gets what the newest one has, so that labs with different images come to share one. The caller gets the volume's folder;
 * something should mount the volume while nodes use the folder, since Docker cannot see that use. Rejects with
 * NODE_IMAGE_FAILED or the signal's reason; nothing half made is left, and what a killed run left is removed here.
 */
export async function prepareNodeImage(options: PrepareOptions): Promise<PreparedNodeImage> {
  const { docker, signal } = options;
  for (;;) {
    const found = await findPrepared(options);
    if (found !== undefined) return found;
    await removeAbandonedBuilds(docker);
    const made = await make(options);
    if (made !== undefined) {
      await removeOld(docker, made);
      return made;
    }
    // Another run makes one, which takes it a minute; what it makes may do for us.
    await delay(250, undefined, { signal });
  }
}

/** Removes what killed runs left of images in the making; what a living run works on stays. */
export async function removeAbandonedBuilds(docker: Dockerode): Promise<void> {
  // By name as well: nodes of an image have the labels of the container that it was made in.
  const builds = (await containersWith(docker, [LABEL.maker])).filter(({ Names }) =>
    Names.includes(`/${BUILD_CONTAINER}`),
  );
  for (const { Id, Labels } of builds) {
    if (!isMakerAlive(Labels[LABEL.maker] ?? "")) await removeContainer(docker, Id);
  }
  const { Volumes } = await docker.listVolumes({ filters: { label: [LABEL.hash] } });
  const hashes = new Set((await candidates(docker)).map(({ hash }) => hash));
  for (const { Name, Labels } of Volumes ?? []) {
    if (!hashes.has(Labels[LABEL.hash] ?? "")) await removeVolume(docker, Name, { unlessInUse: true });
  }
}

function baseKey({ base }: PrepareOptions): string {
  return `${LAYOUT_VERSION}:${base.id}`;
}

async function candidates(docker: Dockerode): Promise<Candidate[]> {
  const images = await docker.listImages({ filters: { label: [LABEL.hash] } });
  return images
    .map(({ Id, Created, Labels, RepoTags }) => ({
      reference: (RepoTags ?? []).find((tag) => tag.startsWith(`${REPOSITORY}:`)) ?? Id,
      id: Id,
      hash: Labels[LABEL.hash] ?? "",
      created: Created,
      base: Labels[LABEL.base],
      images: JSON.parse(Labels[LABEL.images] ?? "{}") as Record<string, string>,
    }))
    .toSorted((a, b) => b.created - a.created);
}

async function findPrepared(options: PrepareOptions): Promise<PreparedNodeImage | undefined> {
  const { docker, images } = options;
  const prepared = await docker.listImages({ filters: { label: [`${LABEL.base}=${baseKey(options)}`] } });
  const ofBase = new Set(prepared.map(({ Id }) => Id));
  for (const candidate of await candidates(docker)) {
    if (!ofBase.has(candidate.id)) continue;
    if ([...images].some(([reference, id]) => candidate.images[reference] !== id)) continue;
    const storeOnHost = await mountpoint(docker, volumeName(candidate.hash));
    if (storeOnHost === undefined) continue;
    return { reference: candidate.reference, volume: volumeName(candidate.hash), storeOnHost, wasMade: false };
  }
  return undefined;
}

async function mountpoint(docker: Dockerode, volume: string): Promise<string | undefined> {
  try {
    return (await docker.getVolume(volume).inspect()).Mountpoint;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** What the newest image has and the engine still has too, with the same content. */
async function imagesToShare(options: PrepareOptions): Promise<Map<string, string>> {
  const [newest] = await candidates(options.docker);
  const kept = new Map(options.images);
  for (const [reference, id] of Object.entries(newest?.images ?? {})) {
    if (kept.has(reference)) continue;
    if ((await dockerImages(options.docker).inspect(reference))?.id === id) kept.set(reference, id);
  }
  return kept;
}

/** The container that an image is made in; its name is the lock: undefined while another run has it. */
async function startBuild(
  { docker, base }: PrepareOptions,
  { hash, volume }: { hash: string; volume: string },
): Promise<Dockerode.Container | undefined> {
  try {
    return await docker.createContainer({
      name: BUILD_CONTAINER,
      Image: base.reference,
      Labels: { [LABEL.maker]: thisMaker() },
      Entrypoint: ["bash", "-c", BUILD_SCRIPT],
      Cmd: [],
      HostConfig: {
        Privileged: true,
        SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined"],
        Mounts: [
          { Type: "volume", Source: volume, Target: STORE_PATH, VolumeOptions: volumeOptions({ [LABEL.hash]: hash }) },
        ],
        NetworkMode: "none",
      },
    });
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 409) return undefined;
    throw error;
  }
}

function volumeOptions(labels: Record<string, string>): Dockerode.MountSettings["VolumeOptions"] {
  return { NoCopy: true, Labels: labels, DriverConfig: { Name: "local", Options: {} } };
}

async function make(options: PrepareOptions): Promise<PreparedNodeImage | undefined> {
  const { docker, base, signal, progress } = options;
  const images = await imagesToShare(options);
  const content = JSON.stringify([baseKey(options), [...images].toSorted(([a], [b]) => (a < b ? -1 : 1))]);
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const volume = volumeName(hash);
  let container: Dockerode.Container | undefined;
  try {
    container = await startBuild(options, { hash, volume });
    if (container === undefined) return undefined;
    progress(`prepare a node image with ${images.size} images, once for all labs that use them`);
    await container.start();
    await fill(container, docker, [...images.keys()], signal);
    const { Config } = await docker.getImage(base.reference).inspect();
    await container.commit({
      repo: REPOSITORY,
      tag: hash,
      pause: false,
      ...Config,
      Labels: {
        ...Config.Labels,
        // The engine adds those of the container; none can be taken away.
        [LABEL.maker]: "",
        [LABEL.hash]: hash,
        [LABEL.base]: baseKey(options),
        [LABEL.images]: JSON.stringify(Object.fromEntries(images)),
      },
    });
    await removeContainer(docker, container.id);
    const storeOnHost = await mountpoint(docker, volume);
    if (storeOnHost === undefined) throw new LabError("NODE_IMAGE_FAILED", `volume ${volume} is gone`);
    return { reference: `${REPOSITORY}:${hash}`, volume, storeOnHost, wasMade: true };
  } catch (error) {
    if (container !== undefined) {
      await removeContainer(docker, container.id);
      await removeVolume(docker, volume, { unlessInUse: false });
    }
    signal.throwIfAborted();
    const reason = dockerError("prepare a node image", error);
    if (reason instanceof LabError && reason.code === "HOST_DOCKER_UNREACHABLE") throw reason;
    const said = reason instanceof Error ? reason.message : String(reason);
    throw new LabError("NODE_IMAGE_FAILED", `the node image cannot be prepared: ${said}`, { cause: error });
  }
}

/** Imports, unpacks and links; the container then is what is to be committed. */
async function fill(
  container: Dockerode.Container,
  docker: Dockerode,
  references: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const run = { env: [`CONTAINERD_ADDRESS=${BUILD_ADDRESS}`], signal };
  await mustExecIn(container, ["bash", "-c", WAIT_SCRIPT], run);
  if (references.length > 0) {
    const archive = await dockerImages(docker).save(references);
    await mustExecIn(container, ["ctr", "-n", "k8s.io", "images", "import", "-"], { ...run, stdin: archive });
  }
  await mustExecIn(container, ["bash", "-c", UNPACK_SCRIPT], run);
  await mustExecIn(container, ["bash", "-c", LINK_SCRIPT], run);
}

async function removeVolume(docker: Dockerode, name: string, { unlessInUse }: { unlessInUse: boolean }): Promise<void> {
  try {
    await docker.getVolume(name).remove();
  } catch (error) {
    if (isMissing(error) || (unlessInUse && (error as { statusCode?: number }).statusCode === 409)) return;
    throw error;
  }
}

/**
 * The rule of {@link KEPT_IMAGES}; an image that a node still uses is refused by Docker, and stays. One that `made` replaces,
 * since its volume was gone (`docker volume prune`), goes whatever its age, and without the volume, which is now `made`'s.
 */
async function removeOld(docker: Dockerode, made: PreparedNodeImage): Promise<void> {
  const others = (await candidates(docker)).filter(({ reference }) => reference !== made.reference);
  const isReplaced = ({ hash }: Candidate): boolean => volumeName(hash) === made.volume;
  const old = others.filter((candidate) => !isReplaced(candidate)).slice(KEPT_IMAGES - 1);
  for (const { reference } of others.filter(isReplaced)) await removeImage(docker, reference);
  for (const { reference, hash } of old) {
    if (await removeImage(docker, reference)) await removeVolume(docker, volumeName(hash), { unlessInUse: true });
  }
}

/** False where a container still uses it. */
async function removeImage(docker: Dockerode, reference: string): Promise<boolean> {
  try {
    await docker.getImage(reference).remove();
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 409) return false;
    if (!isMissing(error)) throw error;
  }
  return true;
}
