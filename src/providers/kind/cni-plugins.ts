import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { execIn, mustExecIn } from "../../exec/docker.ts";
import type { Plan } from "../../plan/types.ts";
import { HOST_PLUGIN_FOLDERS, missingPlugins } from "../real/install-cni.ts";
import type { KindState } from "./state.ts";

const NODE_FOLDER = "/opt/cni/bin";

/**
 * Gives nodes the plugins that the plan's CNI calls and their image lacks, from this host's own. Throws CNI_PLUGIN_MISSING where
 * the host has none either, or where a node cannot run it.
 */
export async function providePlugins(
  docker: Dockerode,
  { nodes }: KindState,
  plan: Plan,
  {
    signal,
    progress,
    hostFolders = HOST_PLUGIN_FOLDERS,
  }: { signal: AbortSignal; progress: (message: string) => void; hostFolders?: readonly string[] },
): Promise<void> {
  const containerOf = (node: string): Dockerode.Container => docker.getContainer(nodes[node] ?? node);
  const missing = await missingPlugins(plan, async (node) => {
    // A folder that is not there is one without plugins.
    const script = `mkdir -p ${NODE_FOLDER} && ls ${NODE_FOLDER}`;
    return (await mustExecIn(containerOf(node), ["sh", "-c", script], { signal })).split("\n");
  });
  const sources = new Map(
    [...new Set([...missing.values()].flat())].map((plugin) => [
      plugin,
      hostFolders.map((folder) => join(folder, plugin)).find((path) => existsSync(path)),
    ]),
  );
  const nowhere = [...sources].filter(([, path]) => path === undefined).map(([plugin]) => plugin);
  if (nowhere.length > 0) throw pluginMissing(plan, [...missing.keys()], `${nowhere.join(", ")} is not there`);
  for (const [plugin, path] of sources) progress(`copy ${path ?? plugin} into nodes, whose image has no ${plugin}`);
  await Promise.all(
    [...missing].flatMap(([node, plugins]) =>
      plugins.map(async (plugin) => {
        const why = await copyPlugin(containerOf(node), plugin, sources.get(plugin) ?? plugin, signal);
        if (why !== undefined) throw pluginMissing(plan, [node], `${plugin} of this host does not run there: ${why}`);
      }),
    ),
  );
}

/** Why the copy does not run in the node, another architecture for one; undefined where it does. */
async function copyPlugin(
  container: Dockerode.Container,
  plugin: string,
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const copy = `${NODE_FOLDER}/${plugin}`;
  // A name of its own: whoever copies it at the same time replaces the same file whole.
  const write = 'cat > "$1.$$" && chmod 755 "$1.$$" && mv "$1.$$" "$1"';
  await mustExecIn(container, ["sh", "-c", write, "sh", copy], { stdin: createReadStream(path), signal });
  // The one command that needs no namespace (CNI specification 1.0.0, VERSION).
  const asked = await execIn(container, [copy], {
    env: ["CNI_COMMAND=VERSION"],
    stdin: Readable.from(['{"cniVersion":"1.0.0"}']),
    signal,
  });
  return asked.exitCode === 0 ? undefined : `${asked.stderr}${asked.stdout}`.trim();
}

function pluginMissing({ cni }: Plan, nodes: readonly string[], why: string): LabError {
  return new LabError("CNI_PLUGIN_MISSING", `${cni.name} calls CNI plugins that ${nodes.join(", ")} lack: ${why}`, {
    hint: "put them into /opt/cni/bin of this host (Debian, Ubuntu: apt-get install containernetworking-plugins), or use a node image that has them",
  });
}
