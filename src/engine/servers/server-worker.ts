import { parentPort } from "node:worker_threads";
import { buildZone } from "../nameserver/records.ts";
import { updatedZone } from "../nameserver/zone-facts.ts";
import type { ZoneSource } from "../nameserver/server.ts";
import type { ServerRequest, ServerResponse } from "./messages.ts";
import type { MeshSource } from "../sidecar/pod-sidecar.ts";
import { ServedPods } from "./served-pods.ts";

/**
 * The thread on which the servers of all pods run, apart from the probes: a prober that waits in poll would starve
 * them. Requests are worked off in the order they come, so that a zone is in effect before whatever is asked later.
 */
function run(port: NonNullable<typeof parentPort>): void {
  const zone: ZoneSource = { current: undefined };
  const mesh: MeshSource = { current: undefined };
  const pods = new ServedPods(zone, mesh);
  const following = new Map<number, AbortController>();

  const answer = (request: Exclude<ServerRequest, { type: "follow" }>): ServerResponse => {
    const { id } = request;
    switch (request.type) {
      case "start":
        return { type: "started", id, pods: request.pods.map((pod) => pods.start(pod)) };
      case "stop":
        for (const key of request.keys) pods.stop(key);
        return { type: "stopped", id };
      case "kill":
        pods.kill(request.key, request.containers);
        return { type: "stopped", id };
      case "dns":
        zone.current = buildZone(updatedZone(zone.current?.facts, request.facts));
        return { type: "dns", id, version: request.facts.version };
      case "ingress":
        pods.route(request.configuration);
        return { type: "stopped", id };
      case "mesh":
        mesh.current = request.facts;
        return { type: "mesh", id, version: request.facts.version };
      case "logs":
        return { type: "logs", id, part: pods.logs(request.key, request.container, request.isPrevious) };
      case "unfollow":
        following.get(request.follow)?.abort();
        return { type: "stopped", id };
      case "requests":
        return { type: "requests", id, reading: pods.requests() };
      case "close":
        pods.stopAll();
        return { type: "closed", id };
    }
  };

  const follow = async ({ id, key, container, after }: ServerRequest & { type: "follow" }): Promise<void> => {
    const abort = new AbortController();
    following.set(id, abort);
    const part = await pods.follow(key, container, after, abort.signal);
    following.delete(id);
    port.postMessage({ type: "logs", id, part } satisfies ServerResponse);
  };

  port.on("message", (request: ServerRequest) => {
    if (request.type === "follow") {
      void follow(request);
      return;
    }
    try {
      port.postMessage(answer(request));
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      port.postMessage({ type: "failed", id: request.id, message } satisfies ServerResponse);
    }
    if (request.type === "close") port.close();
  });
  port.postMessage({ type: "ready" } satisfies ServerResponse);
}

if (parentPort === null) throw new Error("server-worker runs as a worker thread only");
run(parentPort);
