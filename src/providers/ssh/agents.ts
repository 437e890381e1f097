import { StringDecoder } from "node:string_decoder";
import { quoteWord } from "../../core/shell-word.ts";
import type { Remote, RemoteProcess, SshTarget } from "../../exec/ssh/types.ts";
import { AgentChannel } from "../real/agents/channel.ts";
import type { AgentConnection } from "../real/agents/agent-peer.ts";
import { channelAgents } from "../real/agents/channel-agents.ts";
import { agentSource } from "../real/agents/container-agents.ts";
import { placeName } from "../real/agents/place-name.ts";
import { agentCommand, type AgentTransport } from "../real/agents/transport.ts";
import type { Agents, Place } from "../real/types.ts";
import { EXTERNAL } from "./machines.ts";

const COMPLAINT_LIMIT = 4000;

/**
 * Agents as root on the machines, one process each behind one SSH session. Nothing is stored there: each ends with its session, and so
 * with this program. Rejects with AGENT_LOST, SSH_…
 */
export async function sshAgents(remotes: ReadonlyMap<string, Remote>): Promise<Agents> {
  const source = await agentSource();
  const start = async (where: string, remote: Remote): Promise<AgentConnection> => {
    const process = await remote.spawn(agentCommand, { sudo: true });
    try {
      const channel = await AgentChannel.open(transportOf(process), { where, source });
      return { channel, close: () => process.kill() };
    } catch (error) {
      await process.kill();
      throw error;
    }
  };
  const nodes = [...remotes].filter(([node]) => node !== EXTERNAL);
  const outside = remotes.get(EXTERNAL);
  return channelAgents({
    nodes: new Map(nodes.map(([node, remote]) => [node, () => start(`node ${node}`, remote)] as const)),
    external: outside === undefined ? undefined : () => start(placeName({ kind: "external" }), outside),
    paste: (place: Place, networkPid: number, argv: readonly string[]) => {
      const remote = remotes.get(place.kind === "external" ? EXTERNAL : place.node);
      const command = ["sudo", "nsenter", `--net=/proc/${networkPid}/ns/net`, "--", ...argv].map(quoteWord).join(" ");
      // The machine's shell reads the command once more.
      return remote === undefined ? command : `${sshCommand(remote.target)} ${quoteWord(command)}`;
    },
  });
}

/** What a person types to reach a machine as we do. */
export function sshCommand(target: SshTarget): string {
  const { host, port, user, identityFile, jump, configFile, knownHostsFile } = target;
  const words = ["ssh"];
  if (configFile !== undefined) words.push("-F", configFile);
  if (identityFile !== undefined) words.push("-i", identityFile);
  if (knownHostsFile !== undefined) words.push("-o", `UserKnownHostsFile=${knownHostsFile}`);
  if (jump !== undefined) words.push("-J", jump.join(","));
  if (port !== undefined) words.push("-p", String(port));
  words.push(user === undefined ? host : `${user}@${host}`);
  return words.map(quoteWord).join(" ");
}

function transportOf(process: RemoteProcess): AgentTransport {
  const decoder = new StringDecoder("utf8");
  let complaint = "";
  process.stderr.on("data", (data: Buffer) => {
    complaint = (complaint + decoder.write(data)).slice(-COMPLAINT_LIMIT);
  });
  // That it was lost shows in the channel, whose streams end.
  process.ended.catch((error: unknown) => {
    complaint = `${complaint}\n${error instanceof Error ? error.message : String(error)}`.slice(-COMPLAINT_LIMIT);
  });
  return {
    input: process.stdin,
    output: process.stdout,
    complaint: () => complaint.trim(),
    destroy: () => process.stdin.destroy(),
  };
}
