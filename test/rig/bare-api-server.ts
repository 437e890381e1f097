import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { JsonObject } from "../../src/kube/patch/json-value.ts";
import { rigHome } from "./rig.ts";

/*
 * A real API server with its etcd and nothing else, out of the rig's executables: three seconds, no Docker, and no controller that changes
 * objects between two requests.
 */

/** A running API server. */
export interface BareApiServer {
  /** Sends a request as an administrator; `type` is the body's media type. */
  ask: (method: string, path: string, body?: unknown, type?: string) => Promise<{ status: number; body: JsonObject }>;
  stop: () => Promise<void>;
}

const READY_WITHIN_MS = 60_000;

/** Starts one on free ports of the loopback interface. Stopped, it leaves nothing. */
export async function startBareApiServer(): Promise<BareApiServer> {
  const folder = mkdtempSync(join(tmpdir(), "cnilab-api-server-"));
  const [client, peer, secure] = await freePorts(3);
  const token = randomUUID();
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(folder, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(join(folder, "tokens.csv"), `${token},admin,1,system:masters\n`);
  const etcd = `http://127.0.0.1:${client}`;
  const peers = `http://127.0.0.1:${peer}`;
  const children = [
    start("etcd", {
      "data-dir": join(folder, "etcd"),
      "unsafe-no-fsync": "true",
      "listen-client-urls": etcd,
      "advertise-client-urls": etcd,
      "listen-peer-urls": peers,
      "initial-advertise-peer-urls": peers,
      "initial-cluster": `default=${peers}`,
      "log-level": "error",
    }),
    start("kube-apiserver", {
      "etcd-servers": etcd,
      "bind-address": "127.0.0.1",
      "secure-port": String(secure),
      "cert-dir": join(folder, "certificates"),
      "token-auth-file": join(folder, "tokens.csv"),
      "authorization-mode": "AlwaysAllow",
      "disable-admission-plugins": "ServiceAccount",
      "service-account-issuer": "https://issuer.test",
      "service-account-key-file": join(folder, "key.pem"),
      "service-account-signing-key-file": join(folder, "key.pem"),
      "service-cluster-ip-range": "10.96.0.0/16",
    }),
  ];
  const stop = async (): Promise<void> => {
    for (const { child, ended } of children.toReversed()) {
      child.kill("SIGTERM");
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const ask: BareApiServer["ask"] = async (method, path, body, type) => {
    // Of its own making, and so there only once it has started.
    const ca = readFileSync(join(folder, "certificates", "apiserver.crt"));
    return send({ port: secure as number, token, ca }, method, path, body, type);
  };
  try {
    await untilReady(ask, children);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ask, stop };
}

interface Running {
  child: ChildProcess;
  ended: Promise<void>;
  /** The end of what it said. */
  log: () => string;
}

function start(name: string, flags: Readonly<Record<string, string>>): Running {
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const child = spawn(join(rigHome, "bin", name), args, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-4000)));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return { child, ended, log: () => `${name}: ${log}` };
}

async function untilReady(ask: BareApiServer["ask"], children: readonly Running[]): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (true) {
    const dead = children.find(({ child }) => child.exitCode !== null);
    if (dead !== undefined) throw new Error(`it ended: ${dead.log()}`);
    const status = await ask("GET", "/api/v1/namespaces/default").then(
      (answer) => answer.status,
      (error: unknown) => error,
    );
    if (status === 200) return;
    if (Date.now() > deadline)
      throw new Error(`not ready: ${String(status)}\n${children.map(({ log }) => log()).join("\n")}`);
    await delay(100);
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function send(
  { port, token, ca }: { port: number; token: string; ca: Buffer },
  method: string,
  path: string,
  body: unknown,
  type = "application/json",
): Promise<{ status: number; body: JsonObject }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": type };
    const call = request({ host: "127.0.0.1", port, ca, method, path, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.once("end", () => {
        const status = answer.statusCode ?? 0;
        try {
          resolve({ status, body: JSON.parse(text) as JsonObject });
        } catch (cause) {
          reject(new Error(`${method} ${path}: ${status}, and no JSON: ${text}`, { cause }));
        }
      });
      answer.once("error", reject);
    });
    call.once("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
