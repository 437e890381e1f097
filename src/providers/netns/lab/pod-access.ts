import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import { LabError } from "../../../core/errors.ts";
import type { PodAccess } from "../../../engine/api/streams/pod-access.ts";
import type { ResolverFiles } from "../../../engine/pod-commands/resolver.ts";
import type { LogPart } from "../../../engine/servers/access-log.ts";
import { modelledProgram } from "../../../engine/pod-commands/modelled-command.ts";
import type { SandboxOptions } from "../../../kernel/sandbox.ts";
import { sandboxHasProgram } from "../../../kernel/sandbox-program.ts";
import { connectTcp } from "../../../kernel/sockets.ts";
import { startStreamed, type StreamedCommand, type StreamedOptions } from "../../../kernel/streamed-command.ts";
import type { Pod } from "../../../kube/types.ts";
import type { Source } from "../../types.ts";
import { placeName } from "../../source.ts";
import type { ChangeDeadline } from "./change-deadline.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { Places } from "./places.ts";
import type { ServerThread } from "./server-thread.ts";

/** What container runtimes set where a terminal is asked for. */
const TERM = "xterm";

/** Streams into pods, for the API: commands run where those of `cnilab exec` do. */
export class NamespaceAccess implements PodAccess {
  private readonly places: Places;
  private readonly feed: ChangeFeed;
  private readonly servers: ServerThread;

  private readonly deadline: ChangeDeadline;
  readonly exited: PodAccess["exited"];

  /** @param exited told of containers whose process has ended. */
  constructor(
    places: Places,
    feed: ChangeFeed,
    servers: ServerThread,
    deadline: ChangeDeadline,
    exited: PodAccess["exited"],
  ) {
    this.exited = exited;
    this.deadline = deadline;
    this.places = places;
    this.feed = feed;
    this.servers = servers;
  }

  async exec(
    { metadata: { name, namespace = "" }, spec }: Pod,
    container: string,
    argv: readonly string[],
    options: StreamedOptions,
  ): Promise<StreamedCommand> {
    this.deadline.refuse();
    const source: Source = { kind: "pod", namespace, name, container };
    const { namespace: network, sandbox } = this.places.of(source);
    const image = spec.containers.find((each) => each.name === container);
    const modelled = image && modelledProgram(image, argv);
    if (modelled !== undefined) return modelled({ network, files: filesOf(sandbox) }, options);
    const env = options.isTerminal ? { TERM, ...sandbox.env } : sandbox.env;
    const [program = ""] = argv;
    if (!sandboxHasProgram(program, env["PATH"])) {
      throw new LabError(
        "EXEC_NO_SUCH_PROGRAM",
        `failed to exec in container: exec: "${program}": executable file not found in $PATH`,
        { hint: "commands of a lab are this host's programs in /usr, /bin and /sbin" },
      );
    }
    const command = await startStreamed(network, { ...sandbox, env }, argv, options);
    const told = this.feed.begin(`a command in ${placeName(source)}`);
    const { signal } = this.deadline;
    const kill = (): void => command.kill();
    signal.addEventListener("abort", kill, { once: true });
    // It passed while the command was started.
    if (signal.aborted) kill();
    void command.ended.then(() => {
      signal.removeEventListener("abort", kill);
      told.end();
    });
    return command;
  }

  readLog({ metadata }: Pod, container: string, isPrevious: boolean): Promise<LogPart | undefined> {
    return this.servers.logs(metadata.uid ?? "", container, isPrevious);
  }

  followLog({ metadata }: Pod, container: string, after: number, signal: AbortSignal): Promise<LogPart> {
    return this.servers.followLog(metadata.uid ?? "", container, after, signal);
  }

  connect({ metadata: { name, namespace = "" } }: Pod, port: number): Socket {
    const { namespace: network } = this.places.of({ kind: "pod", namespace, name });
    const fd = network.enter(() => connectTcp("127.0.0.1", port));
    return new Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
  }
}

/** What a program finds in its /etc. */
function filesOf({ etc }: SandboxOptions): ResolverFiles {
  const [resolvConf = "", hosts = ""] = ["resolv.conf", "hosts"].map((name) => {
    const path = etc[name];
    return path === undefined ? "" : readFileSync(path, "utf8");
  });
  return { resolvConf, hosts };
}
