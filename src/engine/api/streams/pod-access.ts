import type { Socket } from "node:net";
import type { StreamedCommand, StreamedOptions } from "../../../kernel/streamed-command.ts";
import type { LogPart } from "../../servers/access-log.ts";
import type { Pod } from "../../../kube/types.ts";

/** What a lab does for streams into its pods; whoever runs the pods implements it. */
export interface PodAccess {
  /** Starts a command beside the container. Rejects with EXEC_NO_SUCH_PROGRAM and EXEC_NOT_STARTED, and SOURCE_NOT_READY without a network. */
  exec(pod: Pod, container: string, argv: readonly string[], options: StreamedOptions): Promise<StreamedCommand>;

  /** Tells that the container's own process, which {@link exec} ran for somebody attached, has ended. */
  exited(pod: Pod, container: string, exitCode: number): void;

  /** What a run of the container has written: the one that is, or the one before; undefined where it has not run. */
  readLog(pod: Pod, container: string, isPrevious: boolean): Promise<LogPart | undefined>;

  /** Lines after that number, as soon as there are some, the container has ended or the signal is aborted. */
  followLog(pod: Pod, container: string, after: number, signal: AbortSignal): Promise<LogPart>;

  /** Connects to a port of 127.0.0.1 in the pod's network; the socket tells an error. Throws SOURCE_NOT_READY. */
  connect(pod: Pod, port: number): Socket;
}
