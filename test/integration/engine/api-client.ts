import { request, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import { createControlPlane } from "../../../src/engine/control-plane.ts";
import type { ControlPlane } from "../../../src/engine/control-plane.ts";
import { serveApi, type ApiServer } from "../../../src/engine/api/api-server.ts";
import type { PodAccess } from "../../../src/engine/api/streams/pod-access.ts";
import { listenTcp } from "../../../src/kernel/sockets.ts";
import { FakeRuntime } from "../../unit/engine/fake-runtime.ts";

export interface Answer {
  code: number;
  headers: IncomingMessage["headers"];
  body: unknown;
}

interface Config {
  clusters: [{ cluster: { server: string; "certificate-authority-data": string } }];
  users: [{ user: { token: string } }];
}

/** A control plane without nodes, its API, and a client that trusts the certificate of the kubeconfig. */
export class ApiUnderTest {
  readonly plane: ControlPlane;
  private api!: ApiServer;
  port = 0;
  token = "";
  ca = "";
  private readonly pods: PodAccess | undefined;

  constructor(pods?: PodAccess) {
    this.pods = pods;
    const cluster = { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };
    this.plane = createControlPlane({ nodes: [], cluster, runtime: new FakeRuntime() });
  }

  async start(more: { headersTimeoutMs?: number } = {}): Promise<this> {
    const { store } = this.plane;
    const listenerFd = listenTcp("127.0.0.1", 0);
    const pods = this.pods === undefined ? {} : { pods: this.pods };
    this.api = await serveApi({ lab: "test", store, listenerFd, ...pods, ...more });
    const config = JSON.parse(this.api.kubeconfig) as Config;
    this.port = Number(new URL(config.clusters[0].cluster.server).port);
    this.ca = Buffer.from(config.clusters[0].cluster["certificate-authority-data"], "base64").toString();
    this.token = config.users[0].user.token;
    return this;
  }

  /** Whole, as a lab's file has it. */
  get kubeconfig(): string {
    return this.api.kubeconfig;
  }

  async close(): Promise<void> {
    await this.api.close();
    this.plane.close();
  }

  /** The answer's beginning; `headers` are beside the token, which `authorization: ""` takes away. */
  open(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
    const options: RequestOptions = {
      method,
      path,
      host: "127.0.0.1",
      port: this.port,
      ca: this.ca,
      agent: false,
      headers: {
        authorization: `Bearer ${this.token}`,
        // Node frames no body of a DELETE by itself.
        ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
        ...headers,
      },
    };
    return new Promise((resolve, reject) => {
      const call = request(options, resolve);
      call.on("error", reject);
      call.end(body);
    });
  }

  async call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const response = await this.open(method, path, text, headers);
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const answer = Buffer.concat(chunks).toString();
    const isJson = response.headers["content-type"]?.startsWith("application/json") === true;
    return {
      code: response.statusCode ?? 0,
      headers: response.headers,
      body: (isJson ? JSON.parse(answer) : { text: answer }) as unknown,
    };
  }
}

/** Events of a watch, one at a time as they come. */
export async function* eventsOf(response: IncomingMessage): AsyncGenerator<WatchEvent, void> {
  let held = "";
  for await (const chunk of response as AsyncIterable<Buffer>) {
    held += chunk.toString();
    const lines = held.split("\n");
    held = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as WatchEvent;
  }
}

export interface WatchEvent {
  type: string;
  object: {
    kind: string;
    code?: number;
    reason?: string;
    metadata: { name: string; resourceVersion: string; annotations?: object };
  };
}
