import { readFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect as connectTcp, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { readAccess } from "../../../../../src/providers/real/api/access.ts";
import { ApiError } from "../../../../../src/providers/real/api/api-error.ts";
import { ApiConnection, type ApiBounds } from "../../../../../src/providers/real/api/connection.ts";
import { statusBody } from "../../../../fixtures/api-server.ts";
import { kubeconfigOf } from "./use-server.ts";

const open: { server?: Server; connection?: ApiConnection } = {};

/** A connection to a server that answers like this. */
async function connect(listener: RequestListener, bounds?: ApiBounds): Promise<ApiConnection> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.server = server;
  const { port } = server.address() as AddressInfo;
  open.connection = new ApiConnection(await readAccess(kubeconfigOf(`http://127.0.0.1:${port}`)), bounds);
  return open.connection;
}

afterEach(async () => {
  open.connection?.close();
  open.server?.closeAllConnections();
  await new Promise<unknown>((resolve) => (open.server === undefined ? resolve(0) : open.server.close(resolve)));
  delete open.server;
});

const get = { method: "GET", path: "/api/v1/pods" } as const;
const json =
  (status: number, body: object, headers: object = {}): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

const failure = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("what a server refuses", () => {
  test.each([
    [401, "Unauthorized", "API_FORBIDDEN"],
    [403, "Forbidden", "API_FORBIDDEN"],
    [404, "NotFound", "API_REFUSED"],
    [409, "Conflict", "API_REFUSED"],
    [422, "Invalid", "API_REFUSED"],
    [500, "InternalError", "API_REFUSED"],
  ])("%i is %s as %s, with the server's words", async (status, reason, code) => {
    const connection = await connect(json(status, statusBody(status, reason, "not like this")));
    const error = await failure(connection.send(get));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      code,
      status,
      reason,
      why: "not like this",
      message: `GET /api/v1/pods: the API server answers ${status}: not like this`,
    });
  });

  test("names the fields that it objects to", async () => {
    const causes = [
      { field: "spec.ports[0]", message: "Invalid value: 70000" },
      { field: "spec.x", message: "unknown field" },
      { message: "without a field" },
    ];
    const connection = await connect(json(422, statusBody(422, "Invalid", "many", { causes })));
    expect(await failure(connection.send(get))).toMatchObject({
      why: "spec.ports[0]: Invalid value: 70000; spec.x: unknown field",
    });
  });

  test.each(["send", "stream"] as const)("%s takes a proxy's page for a refusal, not for silence", async (how) => {
    const connection = await connect((_request, response) =>
      response.writeHead(503, { "content-type": "text/html" }).end("<h1>no healthy upstream</h1>"),
    );
    const { signal } = new AbortController();
    const work = how === "send" ? connection.send(get) : connection.stream({ ...get, signal }, () => undefined);
    expect(await failure(work)).toMatchObject({
      code: "API_REFUSED",
      status: 503,
      why: "<h1>no healthy upstream</h1>",
    });
  });
});

describe("what is no answer", () => {
  test("is API_UNREACHABLE where nothing listens", async () => {
    const connection = await connect(json(200, {}));
    await new Promise((resolve) => open.server?.close(resolve));
    expect(await failure(connection.send(get))).toMatchObject({
      code: "API_UNREACHABLE",
      message: expect.stringContaining("ECONNREFUSED"),
    });
    delete open.server;
  });

  test("is API_UNREACHABLE when it does not come in time", async () => {
    const connection = await connect(() => undefined);
    expect(await failure(connection.send({ ...get, timeoutMs: 50 }))).toMatchObject({
      code: "API_UNREACHABLE",
      message: expect.stringContaining("no answer in time"),
    });
  });

  test("is API_UNREACHABLE where the connection is cut within it", async () => {
    const connection = await connect((_request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
      response.write('{"items":', () => response.destroy());
    });
    expect(await failure(connection.send(get))).toMatchObject({ code: "API_UNREACHABLE" });
  });

  test("is the caller's own reason after an abort", async () => {
    const connection = await connect(() => undefined);
    const abort = new AbortController();
    const reason = new Error("the user had enough");
    const work = failure(connection.send({ ...get, signal: abort.signal }));
    abort.abort(reason);
    expect(await work).toBe(reason);
  });
});

test("a kept connection that the server closes as it is used again is no error", async () => {
  const used = new Set<Socket>();
  let requests = 0;
  const connection = await connect((request, response) => {
    requests++;
    if (used.has(request.socket)) return request.socket.destroy();
    used.add(request.socket);
    return json(200, { n: used.size })(request, response);
  });
  expect((await connection.send(get)).body).toEqual({ n: 1 });
  expect((await connection.send(get)).body).toEqual({ n: 2 });
  expect(requests).toBe(3);
});

test("warnings are read out of their headers", async () => {
  const warning = ['299 - "unknown field \\"spec.x\\""', '299 - "v1 Endpoints is deprecated"'];
  const connection = await connect(json(200, {}, { warning }));
  expect((await connection.send(get)).warnings).toEqual(['unknown field "spec.x"', "v1 Endpoints is deprecated"]);
});

describe("an answer beyond bounds", () => {
  const bounds = { answerBytes: 1000, lineLength: 100 };

  test("is refused while it comes, not kept", async () => {
    let written = 0;
    const connection = await connect((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const more = (): void => {
        if (response.destroyed) return;
        written += 1000;
        response.write("x".repeat(1000), () => setImmediate(more));
      };
      more();
    }, bounds);
    expect(await failure(connection.send(get))).toMatchObject({
      code: "API_ANSWER_TOO_LARGE",
      message: "GET /api/v1/pods: the API server's answer has more than 1000 bytes",
    });
    expect(written).toBeGreaterThan(1000);
  });

  test("is refused as a line of a stream without end, and not as a long stream of short lines", async () => {
    const line = `${"y".repeat(99)}\n`;
    const connection = await connect((_request, response) => {
      for (let count = 0; count < 100; count++) response.write(line);
      response.end("z".repeat(101));
    }, bounds);
    const lines: string[] = [];
    const { signal } = new AbortController();
    const error = await failure(connection.stream({ ...get, signal }, (each) => lines.push(each)));
    expect(error).toMatchObject({ code: "API_ANSWER_TOO_LARGE", message: expect.stringContaining("a line of") });
    expect(lines).toHaveLength(100);
  });
});

test("lines of a stream come whole wherever they are cut, letters of several bytes as well", async () => {
  const events = [{ type: "ADDED", name: "größe" }, { type: "BOOKMARK" }, { type: "DELETED", name: "ß→😀" }];
  const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join("\n"));
  let cut = 0;
  const connection = await connect((_request, response) => {
    response.write(bytes.subarray(0, cut), () => setImmediate(() => response.end(bytes.subarray(cut))));
  });
  for (cut = 1; cut < bytes.length; cut++) {
    const seen: unknown[] = [];
    const { signal } = new AbortController();
    await connection.stream({ ...get, signal }, (line) => seen.push(JSON.parse(line)));
    expect(seen).toEqual(events);
  }
});

describe("an etcd that is behind", () => {
  function behindFor(times: number): { listener: RequestListener; asked: () => number } {
    let asked = 0;
    const listener: RequestListener = (request, response) => {
      const isBehind = ++asked <= times;
      const body = isBehind ? statusBody(500, "InternalError", "etcdserver: request timed out") : { items: [] };
      json(isBehind ? 500 : 200, body)(request, response);
    };
    return { listener, asked: () => asked };
  }

  test("is asked again for what may be asked twice", async () => {
    const { listener, asked } = behindFor(2);
    const connection = await connect(listener);
    expect(await connection.send(get)).toMatchObject({ status: 200 });
    expect(asked()).toBe(3);
  });

  test("is not asked to make something twice", async () => {
    const { listener, asked } = behindFor(1);
    const connection = await connect(listener);
    const making = connection.send({ method: "POST", path: "/api/v1/namespaces", body: {} });
    await expect(making).rejects.toMatchObject({ code: "API_REFUSED", status: 500 });
    expect(asked()).toBe(1);
  });
});

describe("a server behind streams of another's making", () => {
  const certificate = readFileSync(new URL("../../../../fixtures/tls/kubernetes.crt", import.meta.url));
  const key = readFileSync(new URL("../../../../fixtures/tls/kubernetes.key", import.meta.url));

  async function connectOver(dial: (port: number) => Promise<Socket>, authority = certificate): Promise<ApiConnection> {
    const server = createTlsServer({ cert: certificate, key }, json(200, { items: [] }));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.server = server;
    const { port } = server.address() as AddressInfo;
    // Nothing answers there: its name and address are the far end's affair.
    const config = JSON.parse(kubeconfigOf("https://192.0.2.1:6443")) as { clusters: { cluster: object }[] };
    Object.assign(config.clusters[0]?.cluster ?? {}, { "certificate-authority-data": authority.toString("base64") });
    open.connection = new ApiConnection(await readAccess(JSON.stringify(config), { dial: () => dial(port) }));
    return open.connection;
  }

  test("is asked over them, and is who its certificate says", async () => {
    let dialled = 0;
    const connection = await connectOver((port) => {
      dialled++;
      return Promise.resolve(connectTcp(port, "127.0.0.1"));
    });
    expect(await connection.send(get)).toMatchObject({ status: 200, body: { items: [] } });
    await connection.send(get);
    expect(dialled).toBe(1);
  });

  test("is unreachable where none can be opened or the certificate is another's", async () => {
    const connection = await connectOver(() => Promise.reject(new Error("no way there")));
    await expect(connection.send(get)).rejects.toMatchObject({ code: "API_UNREACHABLE" });
    await expect(connection.send(get)).rejects.toThrow("no way there");
    open.connection?.close();
    open.server?.close();
    const distrusted = await connectOver((port) => Promise.resolve(connectTcp(port, "127.0.0.1")), Buffer.from(""));
    await expect(distrusted.send(get)).rejects.toMatchObject({ code: "API_UNREACHABLE" });
  });
});
