import { Worker } from "node:worker_threads";
import { LabError } from "../../../core/errors.ts";
import { installed } from "../../../core/installation.ts";
import type { LogPart } from "../../../engine/servers/access-log.ts";
import type { MeshFacts } from "../../../engine/mesh/mesh-facts.ts";
import type { RequestReading } from "../../../engine/metrics/metrics-server.ts";
import type { ListenResult, PodToServe, ServerRequest, ServerResponse } from "../../../engine/servers/messages.ts";
import { zoneUpdate } from "../../../engine/nameserver/zone-facts.ts";
import type { Configuration } from "../../../engine/traefik/types.ts";
import type { ZoneFacts } from "../../../engine/nameserver/zone-facts.ts";

type Request = ServerRequest extends infer Each ? (Each extends ServerRequest ? Omit<Each, "id"> : never) : never;

/** The thread on which all pods' servers and cluster DNS run. */
export class ServerThread {
  private readonly worker = new Worker(installed("dist/engine/servers/server-worker.js"));
  private readonly pending = new Map<number, { resolve(response: ServerResponse): void; reject(error: Error): void }>();
  private nextId = 1;
  /** What the thread was sent last. */
  private zone: ZoneFacts | undefined;
  /** The same of Ingress controllers, as text: routes are built anew only where it differs. */
  private ingress: { text: string; sent: Promise<unknown> } | undefined;

  constructor() {
    this.worker.on("message", (response: ServerResponse) => {
      if (response.type === "ready") return;
      const pending = this.pending.get(response.id);
      this.pending.delete(response.id);
      if (response.type === "failed")
        pending?.reject(new LabError("POD_SERVERS_FAILED", `the pods' servers failed: ${response.message}`));
      else pending?.resolve(response);
    });
    // Without its servers a lab would answer wrongly; better that it ends, and the log says why.
    this.worker.on("error", (error) => {
      throw error;
    });
  }

  private ask(request: Request): Promise<ServerResponse> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id });
    });
  }

  /** Results in the order of the pods; the namespaces' descriptors must stay open until then. */
  async start(pods: PodToServe[]): Promise<ListenResult[][]> {
    const response = await this.ask({ type: "start", pods });
    return response.type === "started" ? response.pods : [];
  }

  async stop(keys: string[]): Promise<void> {
    await this.ask({ type: "stop", keys });
  }

  /** Ends containers of a pod: their sockets and connections. */
  async kill(key: string, containers: readonly string[]): Promise<void> {
    await this.ask({ type: "kill", key, containers });
  }

  /** How many requests the pods' servers have answered. Throws POD_SERVERS_FAILED. */
  async requests(): Promise<RequestReading> {
    const response = await this.ask({ type: "requests" });
    return response.type === "requests" ? response.reading : { atMs: Date.now(), pods: new Map() };
  }

  /** Resolves when cluster DNS answers from these facts. */
  async setZone(facts: ZoneFacts): Promise<void> {
    const before = this.zone;
    this.zone = facts;
    try {
      await this.ask({ type: "dns", facts: zoneUpdate(before, facts) });
    } catch (error) {
      // What the thread has now is not known: the next is whole.
      this.zone = undefined;
      throw error;
    }
  }

  /** Resolves when Ingress controllers route by this configuration. */
  async setIngress(configuration: Configuration): Promise<void> {
    const text = JSON.stringify(configuration);
    if (text !== this.ingress?.text) this.ingress = { text, sent: this.ask({ type: "ingress", configuration }) };
    const { ingress } = this;
    try {
      await ingress?.sent;
    } catch (error) {
      if (this.ingress === ingress) this.ingress = undefined;
      throw error;
    }
  }

  /** Resolves when all sidecars act by these facts. */
  async setMesh(facts: MeshFacts): Promise<void> {
    await this.ask({ type: "mesh", facts });
  }

  /** Of one container, or of all; undefined where it has not run. */
  async logs(key: string, container: string | undefined, isPrevious = false): Promise<LogPart | undefined> {
    const response = await this.ask({ type: "logs", key, isPrevious, ...(container !== undefined && { container }) });
    return response.type === "logs" ? response.part : undefined;
  }

  /** Lines after that number, as soon as there are some, the container has ended or the signal is aborted. */
  async followLog(key: string, container: string, after: number, signal: AbortSignal): Promise<LogPart> {
    const id = this.nextId;
    const answer = this.ask({ type: "follow", key, container, after });
    const stop = (): void => void this.ask({ type: "unfollow", follow: id });
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    const response = await answer;
    signal.removeEventListener("abort", stop);
    return (response.type === "logs" ? response.part : undefined) ?? { lines: [], isOver: true };
  }
}
