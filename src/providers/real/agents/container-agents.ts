import { readFile } from "node:fs/promises";
import type { Duplex } from "node:stream";
import type Docker from "dockerode";
import { LabError } from "../../../core/errors.ts";
import { installed } from "../../../core/installation.ts";
import { quoteWord } from "../../../core/shell-word.ts";
import type { Agents, Place } from "../types.ts";
import { AgentChannel } from "./channel.ts";
import { channelAgents } from "./channel-agents.ts";
import type { AgentConnection } from "./agent-peer.ts";
import { agentCommand, dockerTransport } from "./transport.ts";

export interface ContainerAgentsOptions {
  docker: Docker;
  /** Node → id of its container. */
  nodes: ReadonlyMap<string, string>;
  /** Id of the container outside the cluster. */
  externalId?: string | undefined;
  /** Has python3 and the tools; it must be in the engine already. */
  image: string;
  /** Of every helper container, so that `down` finds them. */
  labels: Record<string, string>;
}

/** The image for agents in containers: what CNILAB_AGENT_IMAGE names, else the name that docs/providers/agents.md builds. */
export function agentImage(environment: NodeJS.ProcessEnv): string {
  return environment["CNILAB_AGENT_IMAGE"] ?? "cnilab-agent:1";
}

/** The agent's source, which a transport of any kind sends first. */
export function agentSource(): Promise<string> {
  return readFile(installed("dist/providers/real/agents/agent.py"), "utf8");
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && "statusCode" in error ? Number(error.statusCode) : undefined;
}

async function removed(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true });
  } catch (error) {
    // 404: it is gone. 409: it is going; the wait tells when it has gone.
    if (statusOf(error) === 404) return;
    if (statusOf(error) !== 409) throw error;
    await container.wait({ condition: "removed" }).catch((gone: unknown) => {
      if (statusOf(gone) !== 404) throw gone;
    });
  }
}

async function startHelper(
  options: ContainerAgentsOptions,
  where: string,
  target: string,
  source: string,
): Promise<AgentConnection> {
  const { docker, image, labels } = options;
  let container: Docker.Container;
  try {
    container = await docker.createContainer({
      Image: image,
      Entrypoint: agentCommand.slice(0, 1),
      Cmd: agentCommand.slice(1),
      Labels: labels,
      OpenStdin: true,
      // The engine closes its input with our connection, and so it ends even where this program was killed.
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      HostConfig: {
        AutoRemove: true,
        Privileged: true,
        NetworkMode: "none",
        PidMode: `container:${target}`,
        // What it says is for this program alone.
        LogConfig: { Type: "none", Config: {} },
      },
    });
  } catch (cause) {
    const isImage = statusOf(cause) === 404 && String(cause).includes("image");
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw isImage
      ? new LabError("AGENT_IMAGE_MISSING", `the image ${image} for agents is not in the Docker engine`, {
          hint: "build it (docs/providers/agents.md), or name another by CNILAB_AGENT_IMAGE",
          cause,
        })
      : new LabError("AGENT_LOST", `the helper container of ${where} could not be made: ${reason}`, { cause });
  }
  try {
    const stream = (await container.attach({
      stream: true,
      hijack: true,
      stdin: true,
      stdout: true,
      stderr: true,
    })) as unknown as Duplex;
    const transport = dockerTransport(stream);
    await container.start();
    const channel = await AgentChannel.open(transport, { where, source });
    return { channel, close: () => removed(container) };
  } catch (cause) {
    await removed(container);
    if (cause instanceof LabError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LabError("AGENT_LOST", `the helper container of ${where} could not be started: ${reason}`, { cause });
  }
}

/**
 * Agents in privileged helper containers, one a node, each in the process namespace of the node's container and with
 * nothing of the host's files: for users of Docker who are not root on its host, wherever that is. They end with
 * `close`, and with this program.
 */
export async function containerAgents(options: ContainerAgentsOptions): Promise<Agents> {
  const source = await agentSource();
  const { nodes, externalId, image } = options;
  return channelAgents({
    nodes: new Map(
      [...nodes].map(([node, id]) => [node, () => startHelper(options, `node ${node}`, id, source)] as const),
    ),
    external:
      externalId === undefined ? undefined : () => startHelper(options, "the external host", externalId, source),
    paste: (place: Place, networkPid: number, argv: readonly string[]) => {
      const target = place.kind === "external" ? externalId : nodes.get(place.node);
      const words = ["docker", "run", "--rm", "--privileged", "--network=none", `--pid=container:${target}`];
      words.push("--entrypoint=nsenter", image, `--net=/proc/${networkPid}/ns/net`, "--", ...argv);
      return words.map(quoteWord).join(" ");
    },
  });
}
