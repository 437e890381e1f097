import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Pod } from "../../../src/kube/types.ts";
import { SpdyClient } from "../../spdy-client.ts";
import { pod } from "../../unit/engine/store/objects.ts";
import { ApiUnderTest } from "./api-client.ts";
import { FakePodAccess, type FakeCommand } from "./fake-pod-access.ts";

/* What kubectl before 1.31 and client-go's NewSPDYExecutor speak. */

const access = new FakePodAccess();
const api = new ApiUnderTest(access);
const at = "/api/v1/namespaces/default/pods/runs";
const all = `${at}/exec?command=cmd&stdin=true&stdout=true&stderr=true`;
const VERSION = "X-Stream-Protocol-Version";
const V4 = "v4.channel.k8s.io";

beforeAll(async () => {
  await api.start();
  const made = pod("runs", { spec: { nodeName: "n1", containers: [{ name: "main", image: "nginx" }] } });
  const main = { name: "main", ready: true, restartCount: 0, image: "nginx", imageID: "", state: { running: {} } };
  const status: Pod["status"] = { phase: "Running", containerStatuses: [main] };
  api.plane.store.updateStatus({ ...api.plane.store.create(made), status });
});

afterAll(() => api.close());

function upgrade(
  path: string,
  headers: Record<string, string> = {},
  method?: string,
): ReturnType<typeof SpdyClient.upgrade> {
  const own = { Authorization: `Bearer ${api.token}`, [VERSION]: `v5.channel.k8s.io, ${V4}`, ...headers };
  return SpdyClient.upgrade(api, path, own, method);
}

/** A running command, with its client and its streams by their names. */
async function running(
  path: string,
  names: readonly string[],
): Promise<{ client: SpdyClient; command: FakeCommand; ids: Record<string, number> }> {
  const { head, client } = await upgrade(path);
  expect(head).toMatch(/^HTTP\/1\.1 101 /);
  const ids: Record<string, number> = {};
  for (const name of names) ids[name] = await client.open({ streamType: name });
  return { client, command: await access.next(), ids };
}

describe("a command over SPDY", () => {
  test.for(["POST", "GET"])("has its streams, its end of input and its exit code (%s)", async (method) => {
    const { head, client } = await upgrade(all, {}, method);
    expect(head).toContain(`${VERSION}: ${V4}\r\n`);
    expect(head).toContain("Upgrade: SPDY/3.1\r\n");
    const error = await client.open({ streamType: "error" });
    const stdin = await client.open({ streamType: "stdin" });
    const stdout = await client.open({ streamType: "stdout" });
    const stderr = await client.open({ streamType: "stderr" });
    const command = await access.next();
    client.send(stdin, "typed");
    client.send(stdin, "", 1);
    command.stdin.setEncoding("utf8");
    expect(await command.stdin.toArray()).toEqual(["typed"]);
    command.stdout.write("out");
    command.stderr.write("err");
    command.exit(3);
    await client.closed;
    expect(client.heard.get(stdout)).toBe("out");
    expect(client.heard.get(stderr)).toBe("err");
    expect(JSON.parse(client.heard.get(error) ?? "")).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "command terminated with non-zero exit code: exit status 3",
      reason: "NonZeroExitCode",
      details: { causes: [{ reason: "ExitCode", message: "3" }] },
    });
    expect(client.finished).toEqual(new Set([error, stdin, stdout, stderr]));
  });

  test("on a terminal has one stream for both, and is told the terminal's size", async () => {
    const path = `${at}/exec?command=sh&stdin=1&stdout=1&stderr=1&tty=1`;
    const { client, command, ids } = await running(path, ["error", "stdin", "stdout", "resize"]);
    expect(command.options).toEqual({ hasStdin: true, isTerminal: true });
    client.send(ids["resize"] ?? 0, '{"Width":80,"Height":24}\n{"Width":81,');
    client.send(ids["resize"] ?? 0, '"Height":25}\nno JSON\n');
    client.send(ids["stdin"] ?? 0, "x");
    await once(command.stdin, "readable");
    expect(command.sizes).toEqual([
      [80, 24],
      [81, 25],
    ]);
    client.socket.destroy();
    await command.killed;
  });

  test("has what was typed, and its end, before it was there", async () => {
    const { client } = await upgrade(all);
    // All at once, as a client may that does not wait for replies.
    client.socket.cork();
    const names = ["error", "stdin", "stdout", "stderr"];
    const ids: number[] = [];
    for (const streamType of names) ids.push(await client.open({ streamType }));
    client.send(ids[1] ?? 0, "typed");
    client.send(ids[1] ?? 0, "", 1);
    client.socket.uncork();
    const command = await access.next();
    command.stdin.setEncoding("utf8");
    expect(await command.stdin.toArray()).toEqual(["typed"]);
    client.socket.destroy();
    await command.killed;
  });

  test("is killed when its client goes, and when it breaks the protocol", async () => {
    const names = ["error", "stdin", "stdout", "stderr"];
    const gone = await running(all, names);
    gone.client.socket.destroy();
    await gone.command.killed;
    const ended = await running(all, names);
    ended.client.socket.end();
    await ended.command.killed;
    const broken = await running(all, names);
    broken.client.socket.write(Buffer.alloc(64, 0xff));
    await Promise.all([broken.client.closed, broken.command.killed]);
  });

  test("waits for a reader that does not read, and notices when it is gone", async () => {
    const { client, command, ids } = await running(all, ["error", "stdin", "stdout", "stderr"]);
    for (let count = 0; count < 64; count += 1) client.send(ids["stdin"] ?? 0, "x".repeat(32_768));
    client.socket.pause();
    await expect.poll(() => command.stdin.writableNeedDrain).toBe(true);
    client.socket.destroy();
    await command.killed;
  });

  test("takes each stream once, and none that it does not know", async () => {
    const { client } = await upgrade(all);
    const first = await client.open({ streamType: "error" });
    const again = await client.open({ streamType: "error" });
    const unknown = await client.open({ streamType: "toString" });
    await expect.poll(() => client.refused).toEqual(new Set([again, unknown]));
    expect(client.refused).not.toContain(first);
    client.socket.destroy();
  });
});

describe("an upgrade to SPDY is refused", () => {
  test.for([
    ["without the token", { Authorization: "Bearer other" }, all, 401],
    ["without a version", { [VERSION]: "" }, all, 400],
    ["in versions that tell no exit code", { [VERSION]: "v3.channel.k8s.io,channel.k8s.io" }, all, 403],
    ["for a pod that is not there", {}, all.replace("runs", "nosuch"), 404],
  ] as const)("%s", async ([, headers, path, code]) => {
    const { head, client } = await upgrade(path, headers);
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${code} `));
    expect(head.includes(`X-Accepted-Stream-Protocol-Versions: ${V4}`)).toBe(code === 403);
    await client.closed;
  });
});

test("ports are forwarded over SPDY, too", async () => {
  const echo = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(echo, "listening");
  const port = String((echo.address() as AddressInfo).port);
  const { head, client } = await upgrade(`${at}/portforward`, { [VERSION]: "portforward.k8s.io" });
  expect(head).toMatch(/^HTTP\/1\.1 101 /);
  await client.open({ streamType: "error", port, requestID: "0" });
  const data = await client.open({ streamType: "data", port, requestID: "0" });
  client.send(data, "hello", 1);
  await expect.poll(() => client.finished).toContain(data);
  expect(client.heard.get(data)).toBe("hello");
  client.socket.destroy();
  echo.close();
});
