import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "../../../core/errors.ts";
import type { ApiServer } from "../../../engine/api/api-server.ts";
import type { Plan } from "../../../plan/types.ts";
import { KUBECONFIG_FILE, LAB_FDS, SCRATCH_FOLDER } from "../launch.ts";
import type { Methods } from "../protocol.ts";
import type { ExecResult } from "../../types.ts";
import { placeName } from "../../source.ts";
import { ChangeDeadline } from "./change-deadline.ts";
import type { FeedPoint } from "./change-feed.ts";
import type { Handlers } from "./control-server.ts";
import { EmbeddedCluster } from "./embedded-cluster.ts";
import type { ClusterThreads } from "./embedded-cluster.ts";
import { NamespaceAccess } from "./pod-access.ts";
import { Scratch } from "./scratch.ts";

export interface LabProcess {
  stateDirectory: string;
  /** This process as the host numbers it. */
  hostPid: number;
  threads: ClusterThreads;
}

/** Serves the Kubernetes API on the port that the launcher opened, which is the host's loopback's. */
async function serveLabApi(
  lab: string,
  { servers }: ClusterThreads,
  { controlPlane: { store, warningsOf, events, metrics, containerExited }, places, feed }: EmbeddedCluster,
  deadline: ChangeDeadline,
): Promise<ApiServer> {
  const { serveApi } = await import("../../../engine/api/api-server.ts");
  const { ApiError } = await import("../../../engine/api/api-error.ts");
  const pods = new NamespaceAccess(places, feed, servers, deadline, containerExited);
  const refuseWrites = (): void => {
    if (deadline.isOver) throw new ApiError("Forbidden", "the time is over: this lab takes no more changes");
  };
  return serveApi({ lab, store, warningsOf, events, metrics, pods, refuseWrites, listenerFd: LAB_FDS.api });
}

/** A person's command ends at the deadline, too. */
async function execByHand(
  cluster: EmbeddedCluster,
  { source, argv, options, signal }: Methods["exec"]["params"] & { signal: AbortSignal },
  over: AbortSignal,
): Promise<ExecResult> {
  const result = await cluster.exec(source, argv, { ...options, signal: AbortSignal.any([signal, over]) });
  over.throwIfAborted();
  return result;
}

/** What the control socket's methods do. `detached` tells whether the lab may outlive the process that started it. */
export function handlersFor(lab: LabProcess): { handlers: Handlers; detached: () => boolean } {
  let isDetached = false;
  let running: EmbeddedCluster | undefined;
  const deadline = new ChangeDeadline();
  const cluster = (): EmbeddedCluster => {
    if (running === undefined) throw new LabError("LAB_NOT_RUNNING", "the lab is still being made");
    return running;
  };
  const start = async (plan: Plan): Promise<EmbeddedCluster> => {
    if (running !== undefined) throw new LabError("LAB_ALREADY_UP", "this lab is already running");
    const scratch = new Scratch(join(lab.stateDirectory, SCRATCH_FOLDER));
    running = new EmbeddedCluster(plan, scratch, lab.threads);
    const [api] = await Promise.all([serveLabApi(plan.lab.name, lab.threads, running, deadline), running.ready()]);
    writeFileSync(join(lab.stateDirectory, KUBECONFIG_FILE), api.kubeconfig, { mode: 0o600 });
    return running;
  };
  /** For what people do, and no probe. */
  const open = (): EmbeddedCluster => {
    deadline.refuse();
    return cluster();
  };
  const handlers: Handlers = {
    up: async ({ plan }) => ({ nodes: (await start(plan)).nodes() }),
    detach: () => {
      isDetached = true;
      return null;
    },
    apply: ({ objects }) => open().apply(objects),
    delete: async ({ refs }, signal) => {
      await open().delete(refs, signal);
      return null;
    },
    list: (filter) => cluster().list(filter),
    scale: ({ ref, replicas }) => {
      open().scale(ref, replicas);
      return null;
    },
    rolloutRestart: ({ ref, restartedAt }) => {
      // Of grades alone: one at the end of an exam makes it, too.
      cluster().rolloutRestart(ref, restartedAt);
      return null;
    },
    wait: async ({ condition, timeoutMs }, signal) => {
      await cluster().wait(condition, timeoutMs, signal);
      return null;
    },
    settle: ({ timeoutMs }) => cluster().settle(timeoutMs),
    exec: async ({ source, argv, options }, signal) => {
      if (options.isByHand !== true) return cluster().exec(source, argv, { ...options, signal });
      const { feed } = open();
      try {
        return await execByHand(cluster(), { source, argv, options, signal }, deadline.signal);
      } finally {
        feed.tell(`a command in ${placeName(source)}`);
      }
    },
    serve: (params, _signal, gone) => cluster().serve(params, gone),
    stopServing: async ({ id }) => {
      await cluster().stopServing(id);
      return null;
    },
    fault: async ({ fault, whileHere }, _signal, gone) => {
      await cluster().faults.make(fault, whileHere ? gone : undefined);
      return null;
    },
    restore: async ({ fault }) => {
      await cluster().faults.restore(fault);
      return null;
    },
    sweep: ({ deadlineMs, ...cells }) => cluster().sweepPacked(cells, deadlineMs),
    capture: ({ source, filter }, _signal, gone) => cluster().capture(source, filter, gone),
    stopCapture: ({ id }) => cluster().captures.stop(id),
    echo: ({ source, request }, signal) => cluster().echo(source, request, signal),
    deadline: ({ change }) => {
      if (change !== null) deadline.set(change);
      return deadline.state();
    },
    logs: ({ source }) => cluster().logs(source),
    addresses: ({ source }) => cluster().addresses(source),
    changes: ({ since, isPatient }, signal) =>
      cluster().feed.since((since ?? undefined) as FeedPoint | undefined, isPatient, signal),
    entry: ({ source, argv }, _signal, gone) => {
      const entered = open().entry(source, argv);
      const terminal = cluster().feed.begin(`a terminal in ${placeName(source)}`);
      // Its client keeps the connection as long as the command runs.
      gone.addEventListener("abort", () => terminal.end(), { once: true });
      return { pid: lab.hostPid, ...entered };
    },
  };
  return { handlers, detached: () => isDetached };
}
