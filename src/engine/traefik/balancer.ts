import { createHash } from "node:crypto";
import type { LoadBalancer, Server } from "./types.ts";

/** A server that a request goes to, and the cookie that its answer sets. */
export interface Choice {
  server: Server;
  setCookie?: string;
}

/**
 * Traefik's weighted round robin over servers of one weight (pkg/server/service/loadbalancer/wrr): in turn, in an order that is drawn anew with each
 * configuration; what is fenced only for clients whose cookie names it.
 */
export class Balancer {
  private readonly service: LoadBalancer;
  private readonly inTurn: readonly Server[];
  private readonly byCookie: ReadonlyMap<string, Server>;
  private next = 0;

  constructor(service: LoadBalancer, random: () => number) {
    this.service = service;
    this.inTurn = shuffled(
      service.servers.filter(({ isFenced }) => !isFenced),
      random,
    );
    this.byCookie = new Map(service.sticky === undefined ? [] : service.servers.map((each) => [digestOf(each), each]));
  }

  /** Undefined where no server is available. */
  choose(cookieHeader: string | undefined): Choice | undefined {
    const { sticky } = this.service;
    const kept = sticky && this.byCookie.get(cookieOf(cookieHeader ?? "", sticky.name) ?? "");
    if (kept !== undefined) return { server: kept };
    const server = this.inTurn[this.next % this.inTurn.length];
    if (server === undefined) return undefined;
    this.next += 1;
    return sticky === undefined ? { server } : { server, setCookie: this.cookieFor(server) };
  }

  /** As Go's http.SetCookie writes it. */
  private cookieFor(server: Server): string {
    const {
      name = "",
      path = "",
      domain = "",
      maxAge = 0,
      httpOnly,
      secure,
      sameSite = "",
    } = this.service.sticky ?? {};
    const site = { none: "None", lax: "Lax", strict: "Strict" }[sameSite];
    return [
      `${name}=${digestOf(server)}`,
      ...(path === "" ? [] : [`Path=${path}`]),
      ...(domain === "" ? [] : [`Domain=${domain}`]),
      ...(maxAge > 0 ? [`Max-Age=${maxAge}`] : maxAge < 0 ? ["Max-Age=0"] : []),
      ...(httpOnly === true ? ["HttpOnly"] : []),
      ...(secure === true ? ["Secure"] : []),
      ...(site === undefined ? [] : [`SameSite=${site}`]),
    ].join("; ");
  }
}

/** `scheme://address:port` of a server, as Traefik names it. */
export function serverUrl({ scheme, address, port }: Server): string {
  return `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function digestOf(server: Server): string {
  return createHash("sha256").update(serverUrl(server)).digest("hex").slice(0, 16);
}

function cookieOf(header: string, name: string): string | undefined {
  for (const part of header.split(";")) {
    const mark = part.indexOf("=");
    if (mark >= 0 && part.slice(0, mark).trim() === name)
      return part
        .slice(mark + 1)
        .trim()
        .replaceAll('"', "");
  }
  return undefined;
}

/** In an order that is drawn. */
export function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const left = [...items];
  const drawn: Item[] = [];
  while (left.length > 0) drawn.push(...left.splice(Math.floor(random() * left.length), 1));
  return drawn;
}
