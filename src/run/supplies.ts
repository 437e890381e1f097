import type { PhaseName } from "../core/events.ts";
import { cacheRoot } from "../supplies/cache-root.ts";
import { dockerImages, type DockerImages } from "../supplies/docker-images.ts";
import { openSupplies } from "../supplies/supplies.ts";
import type { Supplies } from "../supplies/types.ts";
import type { RunContext } from "./context.ts";

/**
 * A run's supplies: from its bundle, or from this host and the internet. With a bundle nothing is fetched. Nothing is
 * loaded before it is used, so that labs that need none pay nothing.
 */
export function runSupplies(
  context: RunContext,
  { isOffline = context.bundle !== undefined, phase = "provision" }: { isOffline?: boolean; phase?: PhaseName } = {},
): Supplies {
  return openSupplies({
    bundle: context.bundle,
    cacheDirectory: cacheRoot(context.env),
    docker: localDocker,
    isOffline,
    localFiles: context.env["CNILAB_FILES"],
    path: context.env["PATH"],
    signal: context.signal,
    progress: (message) => context.emit({ type: "progress", phase, message }),
  });
}

/** The Docker engine that DOCKER_HOST or the default socket leads to. */
export async function localDocker(): Promise<DockerImages> {
  const { openDocker } = await import("../exec/docker.ts");
  return dockerImages(await openDocker());
}
