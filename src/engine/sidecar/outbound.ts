import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Balance } from "../mesh/balance.ts";
import { weightedChoice } from "../mesh/choose.ts";
import { clusterOf, workloadAt, type Cluster, type UpstreamEndpoint } from "../mesh/destination-rule.ts";
import { serviceHost } from "../mesh/host-names.ts";
import type { MeshEndpoint, MeshFacts, MeshPort, MeshService } from "../mesh/mesh-facts.ts";
import { OUTBOUND_MARK } from "../mesh/redirect-rules.ts";
import {
  destinationCluster,
  headlessAt,
  passthrough,
  pinned,
  planRequest,
  type ForwardPlan,
} from "../mesh/route-request.ts";
import { isRetried, type TryEnd } from "../mesh/retry.ts";
import { tcpRouteFor, virtualServiceFor } from "../mesh/virtual-service.ts";
import { dial, HTTP_PROTOCOL, mutualTls, TCP_PROTOCOL } from "./dial.ts";
import { firstBytes } from "./first-bytes.ts";
import {
  bodyOf,
  changedHeaders,
  endToEnd,
  exchange,
  handOn,
  reply,
  withHeader,
  type Exchange,
  type RawHeaders,
} from "./http-exchange.ts";
import { join, reset } from "./join.ts";
import { originalOf, ownWorkload, type PodSidecar } from "./pod-sidecar.ts";

/** Envoy's default between tries: at random up to 25 ms, twice as much each time, 250 ms at most. */
const FIRST_BACK_OFF_MS = 25;
const LONGEST_BACK_OFF_MS = 250;
const SERVER = "istio-envoy";

/** The side of a sidecar that takes what its pod sends. */
export class Outbound {
  private readonly pod: PodSidecar;
  private readonly balance = new Balance(Math.random);
  /** Where each connection of HTTP was going. */
  private readonly originals = new WeakMap<Socket, MeshEndpoint>();
  private readonly http = createHttpServer((request, response) => void this.serve(request, response));

  constructor(pod: PodSidecar) {
    this.pod = pod;
    this.http.on("clientError", (_error, socket) => socket.destroy());
  }

  /** It listens on 15001. */
  server(): Server {
    return createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => void this.take(socket));
  }

  private async take(socket: Socket): Promise<void> {
    socket.on("error", () => socket.destroy());
    const facts = this.pod.mesh.current;
    const original = originalOf(socket);
    if (facts === undefined || original === undefined) {
      reset(socket);
      return;
    }
    const target = targetOf(facts, original);
    const isSniffed = target === undefined ? isHttpPort(facts, original.port) : target.port.protocol !== "tcp";
    if (isSniffed && (await firstBytes(socket)).kind === "http") {
      this.originals.set(socket, original);
      this.http.emit("connection", socket);
      socket.resume();
      return;
    }
    this.carry(socket, facts, original, target);
  }

  /** A connection that is not HTTP. */
  private carry(
    socket: Socket,
    facts: MeshFacts,
    original: MeshEndpoint,
    target: { service: MeshService; port: MeshPort } | undefined,
  ): void {
    const cluster = target === undefined ? passthrough(original) : this.tcpCluster(facts, original, target);
    const endpoint = cluster && this.balance.choose(cluster);
    const place = `${original.address}:${original.port} ${cluster?.name ?? "-"}`;
    if (cluster === undefined || endpoint === undefined) {
      this.pod.log(`tcp ${place} ${cluster === undefined ? "NC" : "UH"}`);
      reset(socket);
      return;
    }
    this.pod.log(`tcp ${place} ${endpoint.address}:${endpoint.port}${endpoint.isMutual ? " mTLS" : ""}`);
    const { socket: upstream } = this.connect(cluster, endpoint, TCP_PROTOCOL);
    socket.once("close", this.balance.begin(cluster, endpoint));
    join(socket, upstream, (error) => this.pod.log(`tcp ${place} UF ${error.message}`));
  }

  private tcpCluster(
    facts: MeshFacts,
    original: MeshEndpoint,
    { service, port }: { service: MeshService; port: MeshPort },
  ): Cluster | undefined {
    const { namespace } = this.pod;
    const virtual = virtualServiceFor(facts, serviceHost(service, facts.domain));
    const route = virtual && tcpRouteFor(virtual, { ...original, port: port.port }, ownWorkload(this.pod, facts));
    const choice = weightedChoice(route?.route ?? [], Math.random);
    if (choice !== undefined)
      return destinationCluster(
        facts,
        choice.destination,
        virtual?.metadata.namespace ?? "default",
        port.port,
        namespace,
      );
    return pinned(clusterOf(facts, { service, port }, namespace), service, original);
  }

  private connect(
    cluster: Cluster,
    endpoint: UpstreamEndpoint,
    protocol: string,
  ): { socket: Socket; isConnected: () => boolean } {
    const plain = dial(this.pod.network(), endpoint, { mark: OUTBOUND_MARK });
    let isConnected = false;
    plain.once("connect", () => (isConnected = true));
    if (!endpoint.isMutual) return { socket: plain, isConnected: () => isConnected };
    const facts = this.pod.mesh.current;
    const peer = facts && workloadAt(facts, endpoint.address);
    const socket = mutualTls(plain, this.pod.credentials, { serverName: cluster.name, protocol, peer });
    let isSecure = false;
    socket.once("secureConnect", () => (isSecure = true));
    return { socket, isConnected: () => isSecure };
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const facts = this.pod.mesh.current;
    const original = this.originals.get(request.socket);
    const body = await bodyOf(request);
    if (body === undefined || facts === undefined || original === undefined) {
      reply(response, body === undefined ? 413 : 503, "", { server: SERVER, connection: "close" });
      return;
    }
    const target = request.url ?? "/";
    const url = target.indexOf("?");
    const { method = "GET", headers } = request;
    const plan = planRequest(
      {
        facts,
        client: ownWorkload(this.pod, facts),
        clientNamespace: this.pod.namespace,
        original,
        random: Math.random,
      },
      {
        method,
        path: url < 0 ? target : target.slice(0, url),
        query: new URLSearchParams(url < 0 ? "" : target.slice(url + 1)),
        scheme: "http",
        authority: headers.host ?? "",
        headers,
        port: original.port,
      },
      target,
    );
    if (plan.delayMs !== undefined) await delay(plan.delayMs);
    const line = `"${method} ${target} HTTP/${request.httpVersion}"`;
    if (plan.kind === "reply") {
      this.pod.log(`${line} ${plan.status} ${plan.flag} ${headers.host ?? "-"}`);
      reply(response, plan.status, plan.body, { server: SERVER, ...plan.headers });
      return;
    }
    let sent = withHeader(endToEnd(request.rawHeaders), "x-forwarded-proto", "http");
    if (plan.authority !== undefined) sent = withHeader(sent, "host", plan.authority);
    for (const change of plan.headers) sent = changedHeaders(sent, change.request);
    await this.forward(plan, { method, headers: sent, body }, response, line);
  }

  /** Sends the request until an answer is to be handed on, or its tries or its time are over. */
  private async forward(
    plan: ForwardPlan,
    sending: { method: string; headers: RawHeaders; body: Buffer },
    response: ServerResponse,
    line: string,
  ): Promise<void> {
    const startedAt = performance.now();
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const tried: UpstreamEndpoint[] = [];
    for (let attempt = 1; ; attempt += 1) {
      const leftMs = plan.timeoutMs === undefined ? undefined : plan.timeoutMs - (performance.now() - startedAt);
      const endpoint = this.balance.choose(plan.cluster, tried);
      if (endpoint === undefined) throw new Error("unreachable: a plan to forward has endpoints");
      tried.push(endpoint);
      const ended = this.balance.begin(plan.cluster, endpoint);
      const limitMs = Math.min(leftMs ?? Infinity, plan.retries.perTryTimeoutMs ?? Infinity);
      const headers = withHeader(sending.headers, "x-envoy-attempt-count", String(attempt));
      const result = await exchange(
        { ...sending, headers, target: plan.target },
        () => this.connect(plan.cluster, endpoint, HTTP_PROTOCOL),
        limitMs === Infinity ? undefined : Math.max(1, limitMs),
        gone.signal,
      );
      const isOver = plan.timeoutMs !== undefined && performance.now() - startedAt >= plan.timeoutMs;
      const isLast = gone.signal.aborted || isOver || attempt > plan.retries.attempts;
      if (!isLast && isRetried(plan.retries, endOf(result))) {
        ended();
        if ("answer" in result) result.answer.destroy();
        await delay(Math.random() * Math.min(FIRST_BACK_OFF_MS * 2 ** (attempt - 1), LONGEST_BACK_OFF_MS));
        continue;
      }
      const place = `${plan.cluster.name} ${endpoint.address}:${endpoint.port}${endpoint.isMutual ? " mTLS" : ""}`;
      const tries = attempt === 1 ? "" : ` after ${attempt} tries`;
      this.pod.log(`${line} ${statusOf(result)} ${place}${tries}`);
      await answer(result, response, plan, performance.now() - startedAt);
      ended();
      return;
    }
  }
}

function endOf(result: Exchange): TryEnd {
  return "answer" in result ? { kind: "answer", status: result.answer.statusCode ?? 0 } : { kind: result.failure };
}

function statusOf(result: Exchange): string {
  if ("answer" in result) return `${result.answer.statusCode} -`;
  return result.failure === "late" ? "504 UT" : `503 ${result.failure === "reset" ? "UC" : "UF"}`;
}

async function answer(result: Exchange, response: ServerResponse, plan: ForwardPlan, tookMs: number): Promise<void> {
  if ("answer" in result) {
    let headers = withHeader(endToEnd(result.answer.rawHeaders), "server", SERVER);
    headers = withHeader(headers, "x-envoy-upstream-service-time", String(Math.round(tookMs)));
    for (const change of plan.headers) headers = changedHeaders(headers, change.response);
    await handOn(result.answer, response, headers);
    return;
  }
  if (result.failure === "late") reply(response, 504, "upstream request timeout", { server: SERVER });
  else reply(response, 503, failureText(result), { server: SERVER });
}

/** Envoy's words (source/common/router/router.cc). */
export function failureText({ failure, reason }: Extract<Exchange, { failure: unknown }>): string {
  const beginning = "upstream connect error or disconnect/reset before headers. reset reason:";
  return failure === "no-connection"
    ? `${beginning} remote connection failure, transport failure reason: ${reason}`
    : `${beginning} connection termination`;
}

/** The port of a Service that a connection goes to; undefined of one to anything else. */
function targetOf(facts: MeshFacts, original: MeshEndpoint): { service: MeshService; port: MeshPort } | undefined {
  const service = facts.services.find(({ addresses }) => addresses.includes(original.address));
  const port = service?.ports.find((each) => each.port === original.port);
  return service === undefined || port === undefined ? headlessAt(facts, original) : { service, port };
}

/** Whether any Service has HTTP on this port: then its hosts are known at every address. */
function isHttpPort({ services }: MeshFacts, port: number): boolean {
  return services.some(({ ports }) => ports.some((each) => each.port === port && each.protocol !== "tcp"));
}
