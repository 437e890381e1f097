import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Server as TcpServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import type { Connection as ServerSide } from "ssh2";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openRemote } from "../../../src/exec/ssh/remote.ts";
import type { OpenOptions, Remote } from "../../../src/exec/ssh/types.ts";

/*
 * Servers that do what no honest one does, on the loopback: raw sockets, and ssh2's own server.
 */
const folder = mkdtempSync(join(tmpdir(), "cnilab-hostile-"));
const keyFile = join(folder, "key");
const hostKey = join(folder, "host");
const knownHosts = join(folder, "known_hosts");
const configFile = join(folder, "config");
const closing: (() => void)[] = [];

beforeAll(() => {
  for (const file of [keyFile, hostKey]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
  // Clear limits in seconds rather than in a quarter of a minute.
  writeFileSync(configFile, "ConnectTimeout 1\n");
});

beforeEach(() => writeFileSync(knownHosts, ""));

afterAll(() => {
  for (const close of closing) close();
  rmSync(folder, { recursive: true });
});

function listen(server: TcpServer | ssh2.Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

/** A raw server; `talk` gets each connection. */
async function raw(talk: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    closing.push(() => socket.destroy());
    talk(socket);
  });
  closing.push(() => server.close());
  return listen(server);
}

/** An SSH server with a known host key. */
async function sshServer(config: Partial<ssh2.ServerConfig>, serve: (client: ServerSide) => void): Promise<number> {
  const server = new ssh2.Server({ hostKeys: [readFileSync(hostKey)], ...config }, (client) => {
    client.on("error", () => undefined);
    serve(client);
  });
  closing.push(() => server.close());
  const port = await listen(server);
  const [type, key] = readFileSync(`${hostKey}.pub`, "utf8").split(" ");
  writeFileSync(knownHosts, `[127.0.0.1]:${port} ${type} ${key}\n`);
  return port;
}

function open(port: number, options: OpenOptions = {}, config: string = configFile): Promise<Remote> {
  const { SSH_AUTH_SOCK: _, ...environment } = process.env;
  const target = { name: "m", host: "127.0.0.1", port, user: "lab", identityFile: keyFile, knownHostsFile: knownHosts };
  return openRemote({ ...target, configFile: config }, { environment, ...options });
}

async function refusal(
  port: number,
  options: OpenOptions = {},
  config?: string,
): Promise<{ code: string; message: string; ms: number }> {
  const at = Date.now();
  try {
    await (await open(port, options, config)).close();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message, ms: Date.now() - at };
  }
  throw new Error("it was let in");
}

test.each<[string, (socket: Socket) => void]>([
  ["says nothing", () => undefined],
  ["never ends its first line", (socket) => void setInterval(() => socket.write("x"), 20).unref()],
  ["sends garbage", (socket) => void socket.write(Buffer.alloc(100_000, 0xa5))],
  ["speaks SSH 1", (socket) => void socket.write("SSH-1.5-old\r\n")],
  ["sends an endless banner", (socket) => void setInterval(() => socket.write("hello\r\n".repeat(10_000)), 5).unref()],
  ["never finishes the key exchange", (socket) => void socket.write("SSH-2.0-slow\r\n")],
  ["announces a packet of 4 GiB", (socket) => void socket.write("SSH-2.0-big\r\n\xff\xff\xff\xff\x04rest")],
])("a server that %s is given up in bounded time", async (_, talk) => {
  const { code, message, ms } = await refusal(await raw(talk), { signal: AbortSignal.timeout(5000) });
  expect({ code, message }).toMatchObject({
    code: "SSH_UNREACHABLE",
    message: expect.stringContaining("m (127.0.0.1 port") as string,
  });
  expect(ms).toBeLessThan(4000);
});

test("nobody listens: said at once", async () => {
  const port = await raw(() => undefined);
  closing.pop()?.();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await refusal(port)).toMatchObject({
    code: "SSH_UNREACHABLE",
    message: expect.stringContaining("ECONNREFUSED") as string,
  });
});

test("who is turned away tries again, a little later each time, and an abort ends that", async () => {
  let turned = 0;
  const port = await raw((socket) => {
    turned++;
    socket.end("Exceeded MaxStartups\r\n");
  });
  await expect(open(port, { signal: AbortSignal.timeout(1200) })).rejects.toThrow("abort");
  expect(turned).toBeGreaterThan(2);
  expect(turned).toBeLessThan(20);
});

test.each([
  ["is not there", "no-such-program-at-all %h", /ProxyCommand ended \(exit 127\): .*not found/],
  ["fails", "sh -c 'echo no way to %h >&2; exit 3'", /ProxyCommand ended \(exit 3\): no way to 127\.0\.0\.1/],
  ["is killed", "sh -c 'kill -9 $$'", /ProxyCommand ended \(SIGKILL\)/],
  ["talks nonsense", "sh -c 'echo; head -c 100000 /dev/zero; exit 3'", /no SSH connection/],
  ["never says anything", "sleep 30", /did not finish the key exchange in 1 s/],
])("a ProxyCommand that %s is told, with its own words, and not tried again", async (_, command, message) => {
  const file = join(folder, "proxied");
  writeFileSync(file, `ConnectTimeout 1\nProxyCommand ${command}\n`);
  const told = await refusal(22, {}, file);
  expect(told).toMatchObject({ code: "SSH_UNREACHABLE", message: expect.stringMatching(message) as string });
  expect(told.ms).toBeLessThan(4000);
});

test("a banner is shown with its control characters visible, and cannot hide what was tried", async () => {
  const banner = `\u001b[2J\u001b[31mowned\r\n${"x".repeat(20_000)}`;
  const port = await sshServer({ banner }, (client) =>
    client.on("authentication", (context) => context.reject(["publickey"])),
  );
  const { code, message } = await refusal(port);
  expect(code).toBe("SSH_AUTH");
  expect(message).toContain("tried: no agent, key ");
  expect(message).toContain("\\x1b[2J\\x1b[31mowned");
  expect(message).not.toContain("\u001b");
  expect(message.length).toBeLessThan(5000);
});

test("a server that refuses for ever, or asks for ever, ends with the ways to log in", async () => {
  const asked: string[] = [];
  const port = await sshServer({}, (client) =>
    client.on("authentication", (context) => {
      if (context.method !== "keyboard-interactive") return context.reject(["keyboard-interactive", "password"]);
      context.prompt([{ prompt: "Password: ", echo: false }], () =>
        context.reject(["keyboard-interactive", "password"]),
      );
    }),
  );
  const ask = (question: { text: string }): Promise<string> => {
    asked.push(question.text);
    return Promise.resolve("my secret");
  };
  const { code, message } = await refusal(port, { ask });
  expect(code).toBe("SSH_AUTH");
  expect(message).not.toContain("my secret");
  expect(asked.length).toBeLessThanOrEqual(6);
  expect((await refusal(port)).message).toContain("there is no terminal to ask on");
});

test("a server that never answers the login is given up", async () => {
  const port = await sshServer({}, (client) => client.on("authentication", () => undefined));
  expect(await refusal(port)).toMatchObject({
    code: "SSH_UNREACHABLE",
    message: expect.stringContaining("answer the login") as string,
  });
});

test("an account that cannot run commands is said so", async () => {
  const port = await sshServer({}, (client) => client.on("authentication", (context) => context.accept()));
  expect(await refusal(port)).toMatchObject({ code: expect.stringMatching(/SSH_/) as string });
});

test("a wrong host key stops before anything is sent to log in", async () => {
  let attempts = 0;
  const port = await sshServer({}, (client) => client.on("authentication", () => attempts++));
  const [type, key] = readFileSync(`${keyFile}.pub`, "utf8").split(" ");
  writeFileSync(knownHosts, `[127.0.0.1]:${port} ${type} ${key}\n`);
  expect(await refusal(port)).toMatchObject({
    code: "SSH_HOST_KEY",
    message: expect.stringContaining("is not the one that is known") as string,
  });
  writeFileSync(knownHosts, `@cert-authority [127.0.0.1]:${port} ${type} ${key}\n`);
  expect(await refusal(port)).toMatchObject({
    code: "SSH_HOST_KEY",
    message: expect.stringContaining("@cert-authority") as string,
  });
  expect(attempts).toBe(0);
});

test.each(["-oProxyCommand=touch pwned", "", "a b", "$(x)", "a;b", "a\nb"])("the host %j is refused", async (host) => {
  await expect(openRemote({ name: "m", host, user: "lab" })).rejects.toMatchObject({ code: "SSH_CONFIG" });
  await expect(openRemote({ name: "m", host: "localhost", user: host })).rejects.toMatchObject({ code: "SSH_CONFIG" });
  await expect(openRemote({ name: "m", host: "localhost", jump: [host] })).rejects.toMatchObject({
    code: "SSH_CONFIG",
  });
});

test("where ssh is not installed, that is said", async () => {
  const target = { name: "m", host: "127.0.0.1", user: "lab" };
  await expect(openRemote(target, { environment: { PATH: folder } })).rejects.toMatchObject({ code: "SSH_MISSING" });
});
