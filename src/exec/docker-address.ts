import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Where the docker command would find its engine, as a DOCKER_HOST; undefined for the default socket. DOCKER_HOST wins, then
 * DOCKER_CONTEXT, then the context chosen by `docker context use` (docs.docker.com/engine/manage-resources/contexts).
 */
export function dockerHost(env: Record<string, string | undefined>): string | undefined {
  const host = env["DOCKER_HOST"];
  if (host !== undefined && host !== "") return host;
  const folder = env["DOCKER_CONFIG"] ?? join(env["HOME"] ?? homedir(), ".docker");
  const config = readJson(join(folder, "config.json")) as { currentContext?: string } | undefined;
  const context = env["DOCKER_CONTEXT"] ?? config?.currentContext;
  if (context === undefined || context === "" || context === "default") return undefined;
  const digest = createHash("sha256").update(context).digest("hex");
  const meta = readJson(join(folder, "contexts", "meta", digest, "meta.json")) as
    | { Endpoints?: { docker?: { Host?: string } } }
    | undefined;
  return meta?.Endpoints?.docker?.Host;
}
