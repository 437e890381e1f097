import { createServer, request, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { connect, type AddressInfo, type Server as NetServer } from "node:net";
import { TraefikProxy } from "../../../../src/engine/traefik/proxy.ts";
import type { Configuration, LoadBalancer, Router } from "../../../../src/engine/traefik/types.ts";
import { statics } from "./objects.ts";

/** A proxy with its entry points on ports of the loopback, and everything to be closed with it. */
export class RunningProxy {
  readonly lines: string[] = [];
  /** Connections to servers that it has opened. */
  dialled = 0;
  readonly proxy = new TraefikProxy({
    statics,
    hostname: "traefik-1",
    connect: (address, port) => {
      this.dialled += 1;
      return connect({ host: address, port });
    },
    log: (line) => void this.lines.push(line),
  });
  private readonly servers: NetServer[] = [];
  readonly ports: Record<string, number> = {};

  async start(): Promise<this> {
    for (const name of ["http", "https", "ping"]) this.ports[name] = await this.listen(this.proxy.server(name));
    return this;
  }

  async listen(server: NetServer): Promise<number> {
    this.servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  /** A server of HTTP; gives its port. */
  serve(answer: RequestListener): Promise<number> {
    return this.listen(createServer({ keepAliveTimeout: 5000 }, answer));
  }

  /** All requests go to these ports of the loopback. */
  route(
    ports: readonly number[],
    service: Partial<LoadBalancer> = {},
    more: Partial<Configuration> = {},
    middlewares: string[] = [],
  ): void {
    const servers = ports.map((port) => ({ scheme: "http", address: "127.0.0.1", port, isFenced: false }));
    const rule = { text: "PathPrefix(`/`)", path: { matcher: "PathPrefix", value: "/" } } as const;
    const router: Router = {
      name: "all@kubernetes",
      rule,
      priority: 0,
      entryPoints: [],
      middlewares,
      isTls: false,
      service: "all",
    };
    const services = { all: { servers, passHostHeader: true, ...service } };
    this.proxy.route({ routers: [router], services, middlewares: {}, certificates: [], errors: [], ...more });
  }

  close(): void {
    this.proxy.close();
    for (const server of this.servers) {
      server.close();
      if ("closeAllConnections" in server) (server as Server).closeAllConnections();
    }
  }
}

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: string;
}

/** One request on a connection of its own. */
export function ask(port: number, options: object = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", agent: false, ...options }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** What comes back for these bytes, until the other side ends. */
export function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(bytes));
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve(text) : reject(error)));
    socket.on("close", () => resolve(text));
  });
}
