import { once } from "node:events";
import { connect as connectPlain } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SpdyClient } from "../../spdy-client.ts";
import { ApiUnderTest } from "./api-client.ts";
import { FakePodAccess } from "./fake-pod-access.ts";

const HEADERS_TIMEOUT_MS = 400;
const pods = "/api/v1/namespaces/default/pods";
const exec = `${pods}/runs/exec?command=a&stdout=true`;
const api = new ApiUnderTest(new FakePodAccess());
const other = new ApiUnderTest(new FakePodAccess());

beforeAll(async () => {
  await api.start({ headersTimeoutMs: HEADERS_TIMEOUT_MS });
  await other.start();
});

afterAll(() => Promise.all([api.close(), other.close()]));

/** All that comes for these bytes until the server ends the connection. */
async function answerTo(bytes: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: api.port, ca: api.ca });
  await once(socket, "secureConnect");
  socket.write(bytes);
  return untilEnd(socket);
}

async function untilEnd(socket: TLSSocket): Promise<string> {
  let text = "";
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, "close");
  return text;
}

test("another lab's token opens nothing, an upgrade neither; nor is its certificate this one's", async () => {
  const headers = { authorization: `Bearer ${other.token}` };
  for (const path of [pods, "/apis", "/openapi/v3", exec])
    expect(await api.call("GET", path, undefined, headers)).toMatchObject({
      code: 401,
      body: { reason: "Unauthorized" },
    });
  const { head, client } = await SpdyClient.upgrade(api, exec, {
    Authorization: headers.authorization,
    "X-Stream-Protocol-Version": "v4.channel.k8s.io",
  });
  expect(head).toMatch(/^HTTP\/1\.1 401 /);
  await client.closed;
  const stranger = connect({ host: "127.0.0.1", port: api.port, ca: other.ca });
  expect((await once(stranger, "error"))[0]).toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
});

describe("a client that takes its time", () => {
  const begun = `POST ${exec} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n`;

  test("for the headers of an upgrade is told 408, however it drips, and others are served meanwhile", async () => {
    const socket = connect({ host: "127.0.0.1", port: api.port, ca: api.ca });
    await once(socket, "secureConnect");
    socket.write(begun);
    const drip = setInterval(() => socket.write("X-Drip: 1\r\n"), HEADERS_TIMEOUT_MS / 8);
    const told = untilEnd(socket);
    expect(await api.call("GET", pods)).toMatchObject({ code: 200 });
    expect(await told).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(drip);
  });

  test("for its handshake is cut off", async () => {
    const socket = connectPlain({ host: "127.0.0.1", port: api.port });
    await once(socket, "connect");
    await once(socket.resume(), "close");
  });
});

describe("a path", () => {
  test.for([
    ["with a dot segment", `${pods}/../secrets`],
    ["with one that is encoded", `${pods}/%2e%2e/secrets`],
    ["with an encoded slash", "/api/v1/namespaces/default%2fpods"],
    ["with a NUL", `${pods}/a%00b`],
    ["with an empty segment", "/api/v1//pods"],
    ["with more segments than there are", `${pods}/runs/exec/more`],
  ] as const)("%s leads nowhere", async ([, path]) => {
    expect((await api.call("GET", path)).code).toBe(404);
  });

  test("whose percent sign encodes nothing, or that is no path, is told so", async () => {
    expect(await api.call("GET", `${pods}/%zz`)).toMatchObject({ code: 400, body: { reason: "BadRequest" } });
    const head = `Host: a\r\nAuthorization: Bearer ${api.token}\r\nConnection: close\r\n\r\n`;
    expect(await answerTo(`GET http://elsewhere${pods} HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await answerTo(`OPTIONS * HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1\.1 400 /);
    // No tunnel is opened, and nothing is said.
    expect(await answerTo(`CONNECT elsewhere:443 HTTP/1.1\r\n${head}`)).toBe("");
  });

  test("with two lengths, by which two requests could be read from one, is refused", async () => {
    const head = `POST ${pods} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${api.token}\r\n`;
    const smuggled = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    expect(await answerTo(head + smuggled)).toMatch(/^HTTP\/1\.1 400 /);
  });
});
