import { once } from "node:events";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket, type RawData } from "ws";
import { LabError } from "../../../src/core/errors.ts";
import type { Pod } from "../../../src/kube/types.ts";
import { pod } from "../../unit/engine/store/objects.ts";
import { ApiUnderTest } from "./api-client.ts";
import { FakePodAccess } from "./fake-pod-access.ts";

const access = new FakePodAccess();
const api = new ApiUnderTest(access);
const V5 = "v5.channel.k8s.io";
const path = (name: string, query: string): string => `/api/v1/namespaces/default/pods/${name}/exec?${query}`;
const all = path("runs", "command=cmd&stdin=true&stdout=true&stderr=true");

/** A pod on a node, its containers running; without a node it waits for one. */
function podOf(name: string, containers: string[], isRunning = true, more: object = {}): Pod {
  const made = pod(name, { spec: { containers: containers.map((each) => ({ name: each, image: "nginx", ...more })) } });
  if (!isRunning) return made;
  const containerStatuses = containers.map((each) => ({
    name: each,
    ready: true,
    restartCount: 0,
    image: "nginx",
    imageID: "",
    state: { running: {} },
  }));
  return { ...made, spec: { ...made.spec, nodeName: "n1" }, status: { phase: "Running", containerStatuses } };
}

const shell = { image: "busybox", stdin: true };
const shells = [
  podOf("shell", ["main"], true, shell),
  podOf("once", ["main"], true, { ...shell, stdinOnce: true, args: ["wget", "web"] }),
];

beforeAll(async () => {
  await api.start();
  for (const each of [podOf("runs", ["main"]), podOf("two", ["a", "b"]), podOf("waits", ["main"], false), ...shells])
    api.plane.store.updateStatus({ ...api.plane.store.create(each), status: each.status });
});

afterAll(() => api.close());

function socketTo(at: string, headers: Record<string, string> = {}, protocols: string[] = [V5]): WebSocket {
  return new WebSocket(`wss://127.0.0.1:${api.port}${at}`, protocols, {
    ca: api.ca,
    headers: { authorization: `Bearer ${api.token}`, ...headers },
  });
}

/** What a connection that is no WebSocket is answered with. */
async function refusal(socket: WebSocket): Promise<number | undefined> {
  const [error] = (await once(socket, "error")) as [Error];
  return Number(/Unexpected server response: (\d+)/.exec(error.message)?.[1]);
}

/** Everything that comes until the connection ends, by channel. */
async function untilClosed(socket: WebSocket): Promise<{ code: number; channels: Record<number, string> }> {
  const channels: Record<number, string> = {};
  socket.on("message", (data: RawData) => {
    const message = data as Buffer;
    const channel = message[0] ?? -1;
    channels[channel] = (channels[channel] ?? "") + message.subarray(1).toString();
  });
  const [code] = (await once(socket, "close")) as [number];
  return { code, channels };
}

describe("a command over WebSocket", () => {
  test("has its streams, its end of input and its exit code", async () => {
    const socket = socketTo(path("runs", "command=sh&command=-c&command=a%20b&stdin=1&stdout=true&stderr=true"));
    await once(socket, "open");
    expect(socket.protocol).toBe(V5);
    const told = untilClosed(socket);
    const command = await access.next();
    expect(command.argv).toEqual(["sh", "-c", "a b"]);
    expect(command.options).toEqual({ hasStdin: true, isTerminal: false });
    socket.send(Buffer.from("\0typed"));
    socket.send(Buffer.of(255, 0));
    command.stdin.setEncoding("utf8");
    expect(await command.stdin.toArray()).toEqual(["typed"]);
    command.stdout.write("out");
    command.stderr.write("err");
    command.exit(3);
    const { code, channels } = await told;
    expect(code).toBe(1000);
    expect(channels).toMatchObject({ 1: "out", 2: "err" });
    expect(JSON.parse(channels[3] ?? "")).toMatchObject({
      status: "Failure",
      reason: "NonZeroExitCode",
      details: { causes: [{ reason: "ExitCode", message: "3" }] },
    });
  });

  test("tells success, a signal, and what could not be started", async () => {
    const success = socketTo(all, {}, ["v4.channel.k8s.io"]);
    const told = untilClosed(success);
    (await access.next()).exit(0);
    expect(JSON.parse((await told).channels[3] ?? "")).toMatchObject({ status: "Success" });
    const signalled = untilClosed(socketTo(all));
    (await access.next()).exit(null, "SIGKILL");
    expect(JSON.parse((await signalled).channels[3] ?? "")).toMatchObject({
      details: { causes: [{ message: "137" }] },
    });
    access.failure = new Error("no sandbox");
    const failed = await untilClosed(socketTo(all));
    access.failure = undefined;
    expect(JSON.parse(failed.channels[3] ?? "")).toMatchObject({ reason: "InternalError", code: 500 });
  });

  test("on a terminal is told the terminal's size; what is no size is passed over", async () => {
    const socket = socketTo(path("runs", "command=sh&stdin=true&stdout=true&tty=true"));
    await once(socket, "open");
    const command = await access.next();
    expect(command.options.isTerminal).toBe(true);
    for (const text of ['{"Width":80,"Height":24}', "no JSON", '{"Width":-1,"Height":1e9}', '{"Width":81,"Height":25}'])
      socket.send(`\u0004${text}`);
    socket.send("\0x");
    await once(command.stdin, "readable");
    expect(command.sizes).toEqual([
      [80, 24],
      [81, 25],
    ]);
    socket.terminate();
    await command.killed;
  });

  test("is killed when its client goes, whether or not it reads its input", async () => {
    for (const isReading of [true, false]) {
      const socket = socketTo(all);
      await once(socket, "open");
      const command = await access.next();
      if (isReading) command.stdin.resume();
      else for (let count = 0; count < 64; count += 1) socket.send(Buffer.alloc(32_768));
      socket.terminate();
      await command.killed;
    }
  }, 20_000);

  test("waits for a reader that does not read, and holds back a writer that it does not read", async () => {
    const socket = socketTo(all);
    await once(socket, "open");
    const command = await access.next();
    socket.pause();
    const piece = Buffer.alloc(65_536);
    let bytes = 0;
    while (command.stdout.write(piece) || (await isDrained(command.stdout))) bytes += piece.length;
    // What fills up are the kernel's buffers of the two ends, not this process.
    expect(bytes).toBeLessThan(16 << 20);
    socket.resume();
    for (let count = 0; count < 256; count += 1) socket.send(Buffer.alloc(65_536));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(command.stdin.readableLength + command.stdin.writableLength).toBeLessThan(1 << 20);
    expect(socket.bufferedAmount).toBeGreaterThan(1 << 20);
    socket.terminate();
    await command.killed;
  });
});

/** Whether the stream takes more within a time that is long for a reader that reads. */
async function isDrained(stream: NodeJS.EventEmitter): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), 300));
  return Promise.race([once(stream, "drain").then(() => true), late]);
}

describe("a request that is refused", () => {
  test.for([
    ["without the token", all, { authorization: "Bearer other" }, 401],
    ["as somebody else", all, { "impersonate-user": "root" }, 403],
    ["for a pod that is not there", path("nosuch", "command=a&stdout=true"), {}, 404],
    ["for a pod of a namespace that is not there", all.replace("default", "other"), {}, 404],
    ["by a name that leads elsewhere", all.replace("runs", "..%2fruns"), {}, 404],
    ["for a container that is not there", `${all}&container=nosuch`, {}, 400],
    ["for one of two containers without saying which", path("two", "command=a&stdout=true"), {}, 400],
    ["for a pod without a node", path("waits", "command=a&stdout=true"), {}, 400],
    ["without a command", path("runs", "stdout=true"), {}, 400],
    ["without any stream", path("runs", "command=a"), {}, 400],
    ["with a flag that is none", path("runs", "command=a&stdout=maybe"), {}, 400],
    ["with a NUL in an argument", path("runs", "command=a%00b&stdout=true"), {}, 400],
    ["at a path that is no stream", "/api/v1/pods", {}, 400],
  ] as const)("%s", async ([, at, headers, code]) => {
    expect(await refusal(socketTo(at, headers))).toBe(code);
  });

  test("in a protocol that is not served, or without an upgrade", async () => {
    expect(await refusal(socketTo(all, {}, ["channel.k8s.io"]))).toBe(400);
    expect(await api.call("POST", all)).toMatchObject({ code: 400, body: { message: "Upgrade request required" } });
    const headers = { connection: "Upgrade", upgrade: "h3" };
    expect(await api.call("GET", all, undefined, headers)).toMatchObject({ code: 400, body: { reason: "BadRequest" } });
  });

  test("because a hundred others are served; one that ended makes room", async () => {
    const sockets = Array.from({ length: 100 }, () => socketTo(all));
    await Promise.all(sockets.map((socket) => once(socket, "open")));
    const commands = await Promise.all(sockets.map(() => access.next()));
    expect(await refusal(socketTo(all))).toBe(429);
    commands[0]?.exit(0);
    await Promise.race(sockets.map((socket) => once(socket, "close")));
    const another = socketTo(all);
    await once(another, "open");
    for (const socket of [...sockets, another]) socket.terminate();
    await Promise.all([...commands, await access.next()].map(({ killed, ended }) => Promise.race([killed, ended])));
  });
});

describe("a client that breaks the protocol", () => {
  test("is cut off for a message that is too large, and what it ran is killed", async () => {
    const socket = socketTo(all);
    await once(socket, "open");
    const command = await access.next();
    command.stdin.resume();
    socket.send(Buffer.alloc((1 << 20) + 2));
    expect((await once(socket, "close"))[0]).toBe(1009);
    await command.killed;
  });

  test("is cut off for a frame that is none", async () => {
    const raw = connect({ host: "127.0.0.1", port: api.port, ca: api.ca });
    await once(raw, "secureConnect");
    raw.write(
      `GET ${all} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${api.token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${V5}\r\n\r\n`,
    );
    expect(String((await once(raw, "data"))[0])).toMatch(/^HTTP\/1\.1 101 /);
    const command = await access.next();
    raw.write(Buffer.alloc(64, 0xff));
    await once(raw.resume(), "close");
    await command.killed;
  });

  test("is cut off for headers without an end", async () => {
    const raw = connect({ host: "127.0.0.1", port: api.port, ca: api.ca });
    await once(raw, "secureConnect");
    raw.write(`GET ${all} HTTP/1.1\r\nUpgrade: websocket\r\nX-Long: ${"x".repeat(1 << 20)}`);
    expect(String((await once(raw, "data"))[0])).toMatch(/^HTTP\/1\.1 431 /);
    raw.destroy();
  });
});

describe("a log", () => {
  const log = (query: string, name = "runs"): string => `/api/v1/namespaces/default/pods/${name}/log?${query}`;
  const textOf = async (query: string): Promise<unknown> =>
    ((await api.call("GET", log(query))).body as { text: string }).text;

  test("is what was asked for of it", async () => {
    for (const line of ["one", "two", "three"]) access.log.add(line);
    expect(await textOf("")).toBe("one\ntwo\nthree\n");
    expect(await textOf("tailLines=2")).toBe("two\nthree\n");
    expect(await textOf("tailLines=0")).toBe("");
    expect(await textOf("limitBytes=5")).toBe("one\nt");
    expect(await textOf("timestamps=true&tailLines=1")).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z three\n$/);
    expect(await textOf("sinceSeconds=3600")).toBe("one\ntwo\nthree\n");
    expect(await textOf(`sinceTime=${new Date(Date.now() + 60_000).toISOString()}`)).toBe("");
  });

  test.for([
    ["tailLines=-1", 400, "tailLines"],
    ["limitBytes=0", 400, "limitBytes"],
    ["sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", 400, "at most one of"],
    ["sinceTime=yesterday", 400, "is no time"],
    ["previous=true", 400, 'previous terminated container "main" in pod "runs" not found'],
    ["container=nosuch", 400, "container nosuch is not valid for pod runs"],
  ] as const)("is refused for %s", async ([query, code, message]) => {
    const answer = await api.call("GET", log(query));
    expect(answer).toMatchObject({ code, body: { message: expect.stringContaining(message) as string } });
  });

  test("of a pod that is not there is 404; a log cannot be written", async () => {
    expect(await api.call("GET", log("", "nosuch"))).toMatchObject({ code: 404 });
    expect(await api.call("POST", log(""))).toMatchObject({ code: 405 });
  });

  test("is followed until its container ends, and says what was too fast; attach shows the same", async () => {
    const attached = socketTo(all.replace("exec", "attach"));
    await once(attached, "open");
    const shown = untilClosed(attached);
    const response = await api.open("GET", log("follow=true&tailLines=1"));
    const pieces = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    expect(String((await pieces.next()).value)).toBe("three\n");
    for (let count = 0; count < 205; count += 1) access.log.add(`line ${count}`);
    access.log.end();
    let text = "";
    for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) text += String(piece.value);
    expect(text).toMatch(/^\[5 lines came faster than they were read, and are gone\]\nline 5\n/);
    expect(text).toMatch(/line 204\n$/);
    const { code, channels } = await shown;
    expect(code).toBe(1000);
    expect(channels[1]).toBe(text);
    expect(JSON.parse(channels[3] ?? "")).toMatchObject({ status: "Success" });
  });
});

describe("attach to what reads its input", () => {
  const attach = (name: string): string =>
    `/api/v1/namespaces/default/pods/${name}/attach?stdin=true&stdout=true&stderr=true`;

  test("runs it, and the container ends as it does; the client is told of its streams alone", async () => {
    const socket = socketTo(attach("shell"));
    const shown = untilClosed(socket);
    const command = await access.next();
    expect(command.argv).toEqual(["sh"]);
    command.stdout.write("out");
    command.stderr.write("err");
    command.exit(3);
    const { code, channels } = await shown;
    expect({ code, out: channels[1], err: channels[2] }).toEqual({ code: 1000, out: "out", err: "err" });
    expect(JSON.parse(channels[3] ?? "")).toMatchObject({ status: "Success" });
    expect(access.exits.splice(0)).toEqual([["main", 3]]);
  });

  test("a client that goes ends what was made for it alone", async () => {
    for (const [name, exits] of [
      ["shell", []],
      ["once", [["main", 0]]],
    ] as const) {
      const socket = socketTo(attach(name));
      const [command] = await Promise.all([access.next(), once(socket, "open")]);
      socket.terminate();
      await command.killed;
      await expect.poll(() => access.exits).toEqual(exits);
      access.exits.length = 0;
    }
  });

  test("a program that is not there ends the container with 127", async () => {
    access.failure = new LabError("EXEC_NO_SUCH_PROGRAM", "not found");
    const { channels } = await untilClosed(socketTo(attach("once")));
    access.failure = undefined;
    expect(JSON.parse(channels[3] ?? "")).toMatchObject({ status: "Failure" });
    expect(access.exits.splice(0)).toEqual([["main", 127]]);
  });
});
