import type { Socket as DatagramSocket } from "node:dgram";
import type { Server, Socket } from "node:net";
import { dnsDatagramServer, dnsStreamServer, type ZoneSource } from "../nameserver/server.ts";
import type { RequestReading } from "../metrics/metrics-server.ts";
import { calls, SystemCallError } from "../../kernel/libc.ts";
import { NetworkNamespace } from "../../kernel/namespace.ts";
import { bindUdp, listenTcp } from "../../kernel/sockets.ts";
import { Inbound } from "../sidecar/inbound.ts";
import { Outbound } from "../sidecar/outbound.ts";
import type { MeshSource, PodSidecar } from "../sidecar/pod-sidecar.ts";
import type { AccessLog, LogPart } from "./access-log.ts";
import type { Configuration, StaticConfiguration } from "../traefik/types.ts";
import type { TraefikProxy } from "../traefik/proxy.ts";
import type { Behaviour, Listen } from "./behaviour.ts";
import { datagramServer } from "./datagram-server.ts";
import type { PodFacts } from "./http-apps.ts";
import { httpServer } from "./http-server.ts";
import type { ListenResult, PodToServe } from "./messages.ts";
import { PodLogs } from "./pod-logs.ts";
import { serveProxy, type ServedProxy } from "./served-proxy.ts";
import { streamServer } from "./stream-server.ts";

/** Node's default (511) turns a thousand connections at once into SYN retransmits. */
const BACKLOG = 4096;

interface ServedPod {
  servers: { container: string; server: Server | DatagramSocket }[];
  /** Each with the container that accepted it. */
  connections: Map<Socket, string>;
  logs: PodLogs;
  /** Answered since the pod started, by container; a container that starts again counts on. */
  requests: Map<string, number>;
  /** Of containers that are Ingress controllers. */
  proxies: Map<string, ServedProxy>;
}

/** The pods whose servers this thread runs. */
export class ServedPods {
  private readonly pods = new Map<string, ServedPod>();
  private readonly zone: ZoneSource;
  private readonly mesh: MeshSource;

  private configuration: Configuration | undefined;

  constructor(zone: ZoneSource, mesh: MeshSource) {
    this.zone = zone;
    this.mesh = mesh;
  }

  /** Ingress controllers route by this from now on. */
  route(configuration: Configuration): void {
    this.configuration = configuration;
    for (const { proxies } of this.pods.values()) for (const { proxy } of proxies.values()) proxy.route(configuration);
  }

  /** Opens the pod's sockets in its namespace; a container of which one fails opens none, as its process would end. */
  start(toServe: PodToServe): ListenResult[] {
    const { key, pod, netnsFd, containers, listens, isMore } = toServe;
    const served = isMore === true ? this.pods.get(key) : this.added(key);
    // It was stopped meanwhile.
    if (served === undefined) return [];
    served.logs.begin(containers);
    const opened = openAll(key, netnsFd, listens, pod.ips);
    tellFailures(served.logs, opened);
    for (const { listen, sockets } of opened)
      for (const { fd, address } of sockets)
        served.servers.push({ container: listen.container, server: this.serve(listen, fd, address, toServe, served) });
    return opened.map(({ listen: { container, protocol, port }, error }) => ({
      container,
      protocol,
      port,
      ...(error === undefined ? {} : { error }),
    }));
  }

  private added(key: string): ServedPod {
    this.stop(key);
    const served: ServedPod = {
      servers: [],
      connections: new Map(),
      logs: new PodLogs(),
      requests: new Map(),
      proxies: new Map(),
    };
    this.pods.set(key, served);
    return served;
  }

  /** Closes the pod's sockets and cuts its connections, at once. */
  stop(key: string): void {
    const served = this.pods.get(key);
    if (served === undefined) return;
    this.pods.delete(key);
    end(served, () => true);
  }

  /** The same of some containers of the pod; the others go on. */
  kill(key: string, containers: readonly string[]): void {
    const served = this.pods.get(key);
    if (served !== undefined) end(served, (container) => containers.includes(container));
  }

  stopAll(): void {
    for (const key of this.pods.keys()) this.stop(key);
  }

  /** Undefined for a pod or container that has not run. */
  logs(key: string, container: string | undefined, isPrevious?: boolean): LogPart | undefined {
    return this.pods.get(key)?.logs.read(container, isPrevious);
  }

  /** What comes after that line of the run that is current, as soon as something does; at once where the pod is gone. */
  async follow(key: string, container: string, after: number, signal: AbortSignal): Promise<LogPart> {
    return (await this.pods.get(key)?.logs.of(container).next(after, signal)) ?? { lines: [], isOver: true };
  }

  /** A request of HTTP, a connection of other TCP servers, a datagram of UDP. */
  requests(): RequestReading {
    return {
      atMs: Date.now(),
      pods: new Map([...this.pods].map(([key, { requests }]) => [key, new Map(requests)])),
    };
  }

  private serve(
    listen: Listen,
    fd: number,
    address: string,
    toServe: PodToServe,
    served: ServedPod,
  ): Server | DatagramSocket {
    const { pod } = toServe;
    const log = served.logs.of(listen.container);
    const { requests } = served;
    const count = (): void => void requests.set(listen.container, (requests.get(listen.container) ?? 0) + 1);
    log.add(
      `listening on ${address.includes(":") ? `[${address}]` : address}:${listen.port}/${listen.protocol.toLowerCase()}`,
    );
    if (listen.protocol === "UDP") {
      const family = address.includes(":") ? "udp6" : "udp4";
      const socket =
        listen.behaviour.kind === "dns"
          ? dnsDatagramServer(this.zone, family)
          : datagramServer(listen.behaviour, pod, family);
      // Errors that ICMP brings back for an earlier reply are about that client alone.
      socket.on("error", (error) => log.add(`udp: ${error.message}`));
      socket.on("message", count);
      socket.bind({ fd });
      return socket;
    }
    const { behaviour } = listen;
    const server =
      behaviour.kind === "traefik"
        ? this.proxyOf(listen.container, behaviour.statics, { netnsFd: toServe.netnsFd, pod, served }).server(
            behaviour.entryPoint,
          )
        : this.streamServer(behaviour, toServe, served, log);
    server.on(behaviour.kind === "http" || behaviour.kind === "traefik" ? "request" : "connection", count);
    server.on("connection", (socket: Socket) => {
      served.connections.set(socket, listen.container);
      socket.on("close", () => served.connections.delete(socket));
    });
    server.on("error", (error) => log.add(`tcp: ${error.message}`));
    // With a descriptor Node takes the backlog from the second argument only; `{fd, backlog}` would mean 511.
    server.listen({ fd }, BACKLOG);
    return server;
  }

  /** One for all entry points of the container. */
  private proxyOf(
    container: string,
    statics: StaticConfiguration,
    { netnsFd, pod, served }: { netnsFd: number; pod: PodFacts; served: ServedPod },
  ): TraefikProxy {
    const present = served.proxies.get(container);
    if (present !== undefined) return present.proxy;
    const made = serveProxy(netnsFd, {
      statics,
      hostname: pod.hostname,
      log: (line) => served.logs.of(container).add(line),
    });
    served.proxies.set(container, made);
    if (this.configuration !== undefined) made.proxy.route(this.configuration);
    return made.proxy;
  }

  private streamServer(
    behaviour: Exclude<Behaviour, { kind: "traefik" }>,
    toServe: PodToServe,
    served: ServedPod,
    log: AccessLog,
  ): Server {
    const { pod } = toServe;
    if (behaviour.kind === "sidecar-inbound" || behaviour.kind === "sidecar-outbound") {
      const sidecar = this.sidecarOf(toServe, served, log);
      // Without a mesh it has nobody's certificate.
      if (sidecar === undefined) return streamServer({ kind: "sink" }, pod, log);
      return (behaviour.kind === "sidecar-inbound" ? new Inbound(sidecar) : new Outbound(sidecar)).server();
    }
    if (behaviour.kind === "http") return httpServer(behaviour, pod, log);
    if (behaviour.kind === "dns") return dnsStreamServer(this.zone);
    return streamServer(behaviour.kind === "netexec-udp" ? { kind: "echo" } : behaviour, pod, log);
  }

  private sidecarOf(toServe: PodToServe, served: ServedPod, log: AccessLog): PodSidecar | undefined {
    const { key, netnsFd, pod, credentials } = toServe;
    if (credentials === undefined) return undefined;
    const namespace = NetworkNamespace.adopt(key, netnsFd);
    return {
      mesh: this.mesh,
      network: () => (this.pods.get(key) === served ? namespace : undefined),
      credentials,
      namespace: pod.namespace,
      addresses: pod.ips,
      log: (line) => log.add(line),
    };
  }
}

function end(served: ServedPod, isMeant: (container: string) => boolean): void {
  for (const { container, server } of served.servers) if (isMeant(container)) server.close();
  for (const [socket, container] of served.connections) if (isMeant(container)) socket.destroy();
  served.servers = served.servers.filter(({ container }) => !isMeant(container));
  for (const [container, { close }] of served.proxies) {
    if (!isMeant(container)) continue;
    served.proxies.delete(container);
    close();
  }
  served.logs.end(isMeant);
}

/** A server that cannot have its port says so and ends. */
function tellFailures(logs: PodLogs, opened: readonly Opened[]): void {
  for (const { listen, error } of opened)
    if (error !== undefined)
      logs.of(listen.container).add(`cannot listen on port ${listen.port}/${listen.protocol}: ${error.code}`);
  const failed = new Set(opened.flatMap(({ listen, error }) => (error === undefined ? [] : [listen.container])));
  logs.end((container) => failed.has(container));
}

interface Opened {
  listen: Listen;
  sockets: { fd: number; address: string }[];
  error?: { code: string; message: string };
}

/** One visit to the namespace for all sockets of the pod. */
function openAll(key: string, netnsFd: number, listens: readonly Listen[], ips: readonly string[]): Opened[] {
  const opened = NetworkNamespace.adopt(key, netnsFd).enter(() => listens.map((listen) => open(listen, ips)));
  const failed = new Set(opened.filter(({ error }) => error !== undefined).map(({ listen }) => listen.container));
  return opened.map((each) => {
    if (!failed.has(each.listen.container)) return each;
    closeAll(each.sockets);
    return { ...each, sockets: [] };
  });
}

function open(listen: Listen, ips: readonly string[]): Opened {
  const everywhere = ips.some((ip) => ip.includes(":")) ? ["0.0.0.0", "::"] : ["0.0.0.0"];
  const sockets: Opened["sockets"] = [];
  try {
    for (const address of listen.address === undefined ? everywhere : [listen.address]) {
      sockets.push({
        fd: listen.protocol === "TCP" ? listenTcp(address, listen.port) : bindUdp(address, listen.port),
        address,
      });
    }
    return { listen, sockets };
  } catch (error) {
    closeAll(sockets);
    const code = error instanceof SystemCallError ? error.code : "EINVAL";
    return { listen, sockets: [], error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}

/** Not fs.closeSync: a worker thread warns about descriptors that it did not open itself. */
function closeAll(sockets: readonly { fd: number }[]): void {
  for (const { fd } of sockets) calls.close(fd);
}
