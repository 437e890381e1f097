import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

/*
 * What the host outside the cluster serves, by this host's Python. That a service of systemd's carries it is shown on the rig.
 */

const script = join(import.meta.dirname, "../../../../src/providers/ssh/scripts/external-server.py");

let folder: string;
let server: ChildProcess;
let port: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-external-"));
  port = await freePort();
  const request = { address: "127.0.0.1", port, name: "external" };
  const program = join(folder, "server.py");
  writeFileSync(
    program,
    `import json\nREQUEST = json.loads(${JSON.stringify(JSON.stringify(request))})\n${readFileSync(script, "utf8")}`,
  );
  // systemd's end of sd_notify(3): a datagram in the file system, which Node has no sockets for.
  const notify = join(folder, "notify");
  const wait =
    "import socket, subprocess, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); " +
    "p = subprocess.Popen([sys.executable, '-I', sys.argv[2]], env={'NOTIFY_SOCKET': sys.argv[1]}); " +
    "print(s.recv(100).decode(), flush=True); sys.stdin.read(); p.kill(); p.wait()";
  server = spawn("python3", ["-c", wait, notify, program], { stdio: ["pipe", "pipe", "inherit"] });
  const [told] = (await once(server.stdout as NonNullable<ChildProcess["stdout"]>, "data")) as [Buffer];
  expect(String(told).trim()).toBe("READY=1");
});

afterAll(async () => {
  const ended = once(server, "exit");
  server.stdin?.end();
  await ended;
  rmSync(folder, { recursive: true });
});

test.each([
  ["GET", "/hostname", 200, "external"],
  ["GET", "/clientip", 200, /^127\.0\.0\.1:\d+$/],
  ["GET", "/echo?msg=a%20b&code=404", 404, "a b"],
  ["GET", "/echo?code=7", 400, ""],
  ["GET", "/header?key=x-who", 200, "me"],
  ["GET", "/healthz", 200, ""],
  ["POST", "/anything", 200, /^NOW: /],
  ["HEAD", "/hostname", 200, ""],
])("%s %s answers %s", async (method, path, status, body) => {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { "x-who": "me" },
    ...(method === "POST" ? { body: "what is sent" } : {}),
  });
  expect(answer.status).toBe(status);
  expect(await answer.text()).toEqual(typeof body === "string" ? body : expect.stringMatching(body));
});

test("a redirect goes where it is told, and into no other header", async () => {
  const ask = (location: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/redirect?location=${encodeURIComponent(location)}`, { redirect: "manual" });
  const answer = await ask("/hostname\r\nx-more: yes");
  expect([answer.status, answer.headers.get("location")]).toEqual([302, "/hostnamex-more:yes"]);
});

test.each([
  ["hostname\n", "external"],
  ["clientip", /^127\.0\.0\.1:\d+$/],
  ["echo Hello", "Hello"],
])("a datagram %j is answered", async (asked, reply) => {
  const socket = createSocket("udp4");
  try {
    // What is no such word is not answered: the next datagram's answer is the first.
    socket.send("\0", port, "127.0.0.1");
    socket.send(asked, port, "127.0.0.1");
    const [data] = (await once(socket, "message")) as [Buffer];
    expect(String(data)).toEqual(typeof reply === "string" ? reply : expect.stringMatching(reply));
  } finally {
    socket.close();
  }
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
