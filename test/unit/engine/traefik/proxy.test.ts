import { Agent, request as httpRequest } from "node:http";
import { createServer as createTcpServer, connect } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pairOf } from "./pairs.ts";
import { ask, raw, RunningProxy } from "./running-proxy.ts";

let at: RunningProxy;
beforeEach(async () => {
  at = await new RunningProxy().start();
});
afterEach(() => at.close());

const http = (): number => at.ports["http"] ?? 0;
const https = (): number => at.ports["https"] ?? 0;

describe("requests and answers", () => {
  it("go through whole, with what the proxy says of them", async () => {
    const port = await at.serve((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (part: string) => (body += part));
      request.on("end", () => {
        response.writeHead(201, { "set-cookie": ["a=1", "b=2"], "keep-alive": "timeout=1", "x-own": "yes" });
        response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }));
      });
    });
    at.route([port]);
    const headers = { host: "shop.example:81", "x-forwarded-for": "9.9.9.9", connection: "close, x-hop", "x-hop": "1" };
    const { status, headers: got, body } = await ask(http(), { method: "POST", path: "/a/../b?c=d", headers }, "text");
    expect([status, got["set-cookie"], got["x-own"], got["keep-alive"]]).toEqual([
      201,
      ["a=1", "b=2"],
      "yes",
      undefined,
    ]);
    const seen = JSON.parse(body) as { headers: Record<string, string> };
    expect(seen).toMatchObject({ method: "POST", url: "/b?c=d", body: "text" });
    expect(seen.headers).toMatchObject({
      host: "shop.example:81",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": "shop.example:81",
      "x-forwarded-port": "81",
      "x-forwarded-proto": "http",
      "x-forwarded-server": "traefik-1",
      "x-real-ip": "127.0.0.1",
    });
    expect(seen.headers).not.toHaveProperty("x-hop");
    expect(seen.headers).not.toHaveProperty("connection");
  });

  it("keep their connections: many requests, one to the proxy and one to the server", async () => {
    const port = await at.serve((_request, response) => response.end("ok"));
    at.route([port]);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let count = 0; count < 20; count += 1)
      expect(await ask(http(), { agent })).toMatchObject({ status: 200, body: "ok" });
    agent.destroy();
    expect(at.dialled).toBe(1);
  });

  it("stream: the head and each part come before the next is written", async () => {
    let go = (): void => undefined;
    const port = await at.serve((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      go = () => void response.write("part");
    });
    at.route([port]);
    const parts = await new Promise<string>((resolve, reject) => {
      const sent = httpRequest({ port: http(), agent: false }, (response) => {
        go();
        response.once("data", (part) => {
          resolve(String(part));
          sent.destroy();
        });
      });
      sent.on("error", reject);
      sent.end();
    });
    expect(parts).toBe("part");
  });

  it("upload as they come, of a length or in pieces", async () => {
    const port = await at.serve((request, response) => {
      let bytes = 0;
      request.on("data", (part: Buffer) => (bytes += part.length));
      request.on("end", () => response.end(`${request.headers["transfer-encoding"] ?? "length"} ${bytes}`));
    });
    at.route([port]);
    const big = "x".repeat(3_000_000);
    expect((await ask(http(), { method: "POST" }, big)).body).toBe("length 3000000");
    const headers = { "transfer-encoding": "chunked" };
    expect((await ask(http(), { method: "PUT", headers }, big)).body).toBe("chunked 3000000");
  });

  it("HEAD has the length and no body", async () => {
    const port = await at.serve((_request, response) => response.writeHead(200, { "content-length": 7 }).end());
    at.route([port]);
    expect(await ask(http(), { method: "HEAD" })).toMatchObject({ headers: { "content-length": "7" }, body: "" });
  });

  it("a connection that its server closed meanwhile is not the client's fault", async () => {
    const server = createTcpServer((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        // The second request on it meets a reset.
        socket.once("data", () => socket.resetAndDestroy());
      });
    });
    at.route([await at.listen(server)]);
    expect((await ask(http())).body).toBe("ok");
    expect((await ask(http())).body).toBe("ok");
    expect(at.dialled).toBe(2);
  });
});

describe("without an answer", () => {
  it("404 where no rule fits, 503 where nobody is available", async () => {
    expect(await ask(http())).toMatchObject({
      status: 404,
      body: "404 page not found\n",
      headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
    });
    at.route([]);
    expect(await ask(http())).toMatchObject({ status: 503, body: "no available server\n" });
  });

  it("502 where the server refuses, or ends before it has answered", async () => {
    const closed = await new RunningProxy().start();
    const dead = closed.ports["http"] ?? 0;
    closed.close();
    at.route([dead]);
    expect(await ask(http())).toMatchObject({ status: 502, body: "Bad Gateway" });
    at.route([await at.listen(createTcpServer((socket) => socket.once("data", () => socket.destroy())))]);
    expect(await ask(http(), { method: "POST" }, "x")).toMatchObject({ status: 502 });
  });

  it("502 where nobody listens for TLS, 500 where what listens speaks none", async () => {
    const closed = await new RunningProxy().start();
    const dead = closed.ports["http"] ?? 0;
    closed.close();
    const tls = (port: number): void =>
      at.route([], { servers: [{ scheme: "https", address: "127.0.0.1", port, isFenced: false }] });
    tls(dead);
    expect((await ask(http())).status).toBe(502);
    tls(await at.serve((_request, response) => response.end("plain")));
    expect((await ask(http())).status).toBe(500);
    expect(at.lines.at(-1)).toContain("server gave HTTP response to HTTPS client");
  });

  it("500 where it speaks no HTTP", async () => {
    at.route([await at.listen(createTcpServer((socket) => socket.end("SSH-2.0-none\r\n")))]);
    expect(await ask(http())).toMatchObject({ status: 500, body: "Internal Server Error" });
  });

  it("500 for a certificate that nobody vouches for, which the log says", async () => {
    const pair = pairOf("backend");
    const port = await at.listen(createTlsServer(pair, (socket) => socket.end()));
    const server = { scheme: "https", address: "127.0.0.1", port, isFenced: false };
    at.route([], { servers: [server] });
    expect(await ask(http())).toMatchObject({ status: 500 });
    expect(at.lines.at(-1)).toMatch(/ERR 500 Internal Server Error error="tls: failed to verify certificate: x509: /);
  });

  it("an answer that breaks off breaks off at the client, too", async () => {
    const answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    const server = createTcpServer((socket) => socket.once("data", () => socket.end(answer)));
    at.route([await at.listen(server)]);
    await expect(ask(http())).rejects.toThrow("aborted");
  });

  it("a client that goes away takes its request with it", async () => {
    const gone = new Promise<void>((resolve) => {
      void at
        .serve((_request, response) => {
          response.on("close", resolve);
          client.destroy();
        })
        .then((port) => {
          at.route([port]);
          client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        });
    });
    const client = connect({ port: http(), host: "127.0.0.1" });
    await gone;
  });
});

describe("upgrades", () => {
  it("both sides talk from then on, until one ends", async () => {
    const server = createTcpServer((socket) => {
      socket.once("data", (head) => {
        expect(String(head)).toMatch(/^Upgrade: websocket\r$/m);
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        socket.on("data", (data) => socket.end(`heard ${String(data)}`));
      });
    });
    at.route([await at.listen(server)]);
    const head = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const heard = await new Promise<string>((resolve, reject) => {
      const socket = connect({ port: http(), host: "127.0.0.1" }, () => socket.write(head));
      let text = "";
      socket.on("data", (data) => {
        if (text === "") socket.write("hello");
        text += String(data);
      });
      socket.on("error", reject).on("close", () => resolve(text));
    });
    expect(heard).toMatch(/^HTTP\/1.1 101 Switching Protocols\r\n(?:.+\r\n)+\r\nheard hello$/);
  });

  it("a server that does not want to answers as ever", async () => {
    at.route([await at.serve((_request, response) => response.end("no"))]);
    const head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    expect(await raw(http(), head)).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*no/);
  });
});

describe("TLS", () => {
  const subject = (port: number, servername?: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const options = { port, host: "127.0.0.1", rejectUnauthorized: false };
      const socket = connectTls({ ...options, ...(servername === undefined ? {} : { servername }) }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on("error", reject);
    });

  it("each name has its certificate, at either entry point; others get Traefik's own", async () => {
    at.route([], {}, { certificates: [pairOf("shop.example"), pairOf("*.pay.example")] });
    const names = ["shop.example", "www.pay.example", "nobody.example", undefined];
    const own = "TRAEFIK DEFAULT CERT";
    expect(await Promise.all(names.map((name) => subject(https(), name)))).toEqual([
      "shop.example",
      "*.pay.example",
      own,
      own,
    ]);
    expect(await subject(http(), "shop.example")).toBe("shop.example");
  });

  it("plain HTTP at the TLS entry point is a request like others, of no router", async () => {
    at.route([await at.serve((_request, response) => response.end("ok"))]);
    expect((await ask(https())).status).toBe(404);
    expect((await ask(http())).status).toBe(200);
  });
});

describe("what nobody should send", () => {
  it.each<[what: string, bytes: string, answer: RegExp]>([
    ["no HTTP", "hello\r\n\r\n", /^HTTP\/1.1 400 /],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", /^HTTP\/1.1 400 /],
    ["a target that is none", "GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", /^HTTP\/1.1 400 /],
    ["a head of 2 MB", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(2_000_000)}\r\n\r\n`, /^(?:HTTP\/1.1 431 |$)/],
    [
      "two lengths",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      /^HTTP\/1.1 400 /,
    ],
    [
      "an upgrade with a body",
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nx",
      /^HTTP\/1.1 400 /,
    ],
  ])("%s", async (_what, bytes, answer) => {
    at.route([await at.serve((_request, response) => response.end("ok"))]);
    expect(await raw(http(), bytes)).toMatch(answer);
    expect((await ask(http())).status).toBe(200);
  });

  it("a client that says nothing, and one that ends at once, hold nobody up", async () => {
    at.route([await at.serve((_request, response) => response.end("ok"))]);
    const silent = connect({ port: http(), host: "127.0.0.1" });
    const short = connect({ port: http(), host: "127.0.0.1" });
    short.end();
    expect((await ask(http())).status).toBe(200);
    silent.destroy();
  });

  it("an answer of a status that there is none of", async () => {
    const server = createTcpServer((socket) => socket.once("data", () => socket.end("HTTP/1.1 042 No\r\n\r\n")));
    at.route([await at.listen(server)]);
    expect((await ask(http())).status).toBeGreaterThanOrEqual(500);
  });
});

it("tells what is wrong once, and again when it comes back", () => {
  const errors = [{ message: "Cannot create service", error: "service not found", fields: { serviceName: "web" } }];
  at.route([], {}, { errors });
  at.route([], {}, { errors });
  at.route([]);
  at.route([], {}, { errors });
  const line = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ERR Cannot create service error="service not found" serviceName=web$/;
  expect(at.lines).toEqual([expect.stringMatching(line), expect.stringMatching(line)]);
});
