import { Agent, type AgentOptions, type ClientRequest, request as httpRequest } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Headers } from "./forwarded-headers.ts";
import type { Server } from "./types.ts";

/** Opens a connection from where the proxy is. */
export type Connect = (address: string, port: number) => Socket;

type Make = (options: { host?: string | null | undefined; port?: string | number | null | undefined }) => Socket;

/** Go's dialer as Traefik sets it up (pkg/server/service/transport.go). */
const DIAL_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 90_000;
const MAX_IDLE_CONNECTIONS = 200;
const MAX_HEADER_BYTES = 1_048_576;

export interface UpstreamRequest {
  method: string;
  target: string;
  headers: Headers;
  /** The Host header. */
  host: string;
}

/** No connection came about in time. */
export class DialTimeout extends Error {}

/** The connections of a proxy to servers: kept open for the next request, as far as there is room. */
export class Upstreams {
  private readonly connect: Connect;
  private readonly http: Agent;
  private readonly https: TlsAgent;

  constructor(connect: Connect) {
    this.connect = connect;
    const options: AgentOptions = { keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS, timeout: IDLE_TIMEOUT_MS };
    this.http = new DialingAgent(options, this.dialPlain);
    this.https = new DialingTlsAgent(options, this.dialTls);
  }

  /** Begins a request; nothing of its body is sent yet. Throws for what cannot be written as HTTP, and for schemes that are not modelled. */
  begin(
    { scheme, address, port }: Server,
    { method, target, headers, host }: UpstreamRequest,
    isOwn = false,
  ): ClientRequest {
    const isTls = scheme === "https";
    if (!isTls && scheme !== "http") throw new TypeError(`unsupported protocol scheme ${JSON.stringify(scheme)}`);
    const agent = isTls ? this.https : this.http;
    const fields = {
      host: address,
      port,
      method,
      path: target,
      headers: { ...Object.fromEntries(headers), Host: host },
      maxHeaderSize: MAX_HEADER_BYTES,
      setHost: false,
    };
    // What becomes another protocol's connection is never one of the pool's.
    const own = { createConnection: isTls ? this.dialTls : this.dialPlain };
    const sent = (isTls ? httpsRequest : httpRequest)({ ...fields, ...(isOwn ? own : { agent }) });
    // As Go's client, which takes a connection that goes on for granted.
    if (!isOwn) sent.removeHeader("connection");
    return sent;
  }

  close(): void {
    this.http.destroy();
    this.https.destroy();
  }

  private readonly dialPlain: Make = ({ host, port }) => this.dial(host ?? "", Number(port));

  /** The certificate has to be of an authority that everybody trusts, and for the address: pods' own seldom are. */
  private readonly dialTls: Make = ({ host, port }) => {
    const name = host ?? "";
    const socket = this.dial(name, Number(port));
    const server = isIP(name) === 0 ? { servername: name } : {};
    return connectTls({ socket, host: name, ALPNProtocols: ["http/1.1"], ...server });
  };

  private dial(address: string, port: number): Socket {
    const socket = this.connect(address, port);
    const timer = setTimeout(() => socket.destroy(new DialTimeout("i/o timeout")), DIAL_TIMEOUT_MS);
    const done = (): void => clearTimeout(timer);
    socket.once("connect", done).once("close", done);
    socket.setNoDelay(true);
    return socket;
  }
}

/** Agents whose connections are made by somebody else. */
class DialingAgent extends Agent {
  override readonly createConnection: Make;

  constructor(options: AgentOptions, make: Make) {
    super(options);
    this.createConnection = make;
  }
}

class DialingTlsAgent extends TlsAgent {
  override readonly createConnection: Make;

  constructor(options: AgentOptions, make: Make) {
    super(options);
    this.createConnection = make;
  }
}
