import { randomBytes } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { LabWarning } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import { systemClock, type Clock } from "../clock.ts";
import type { MetricsServer } from "../metrics/metrics-server.ts";
import type { NormalEvents } from "../normal-events.ts";
import type { ObjectStore } from "../store/store.ts";
import { makeServerCertificate } from "./certificate.ts";
import { requestHandler } from "./handle-request.ts";
import type { ApiParts } from "./handle-resource.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { ObjectLists } from "./list-objects.ts";
import { OpenApiDocuments } from "./openapi.ts";
import type { PodAccess } from "./streams/pod-access.ts";
import { LogRequests } from "./streams/serve-log.ts";
import { Streams } from "./streams/serve-streams.ts";
import { Watches } from "./watch-objects.ts";
import { ObjectWrites } from "./write-objects.ts";

export interface ApiServerOptions {
  /** The lab's name, for its kubeconfig. */
  lab: string;
  store: ObjectStore;
  /** A listening TCP socket of 127.0.0.1, whichever network namespace it is of. */
  listenerFd: number;
  /** What to tell whoever writes this object. */
  warningsOf?: (object: KubeObject) => LabWarning[];
  /** Brings the store's Events up to date before they are read. */
  events?: NormalEvents;
  /** The figures of `kubectl top`; absent: their API group is not served. */
  metrics?: MetricsServer | undefined;
  /** Throws ApiError where nothing may be written now. */
  refuseWrites?: () => void;
  clock?: Clock;
  /** Who runs commands in pods; without it nothing is upgraded. */
  pods?: PodAccess;
  /** How long a client may take for its handshake, and for a request's headers, upgrade or not: then it is cut off (408). */
  headersTimeoutMs?: number;
}

export interface ApiServer {
  /** A whole kubeconfig file, with the token: for its owner's eyes alone. */
  kubeconfig: string;
  close(): Promise<void>;
}

/** Who says nothing for so long holds a place that another could have; kube-apiserver waits 32 s. */
const HEADERS_TIMEOUT_MS = 10_000;

/** More than its watches need: a client keeps a few connections open beside them. */
const MOST_CONNECTIONS = 1024;

/** Serves the Kubernetes API on the store, over TLS, to whoever has the token; resolves when it takes connections. */
export async function serveApi(options: ApiServerOptions): Promise<ApiServer> {
  const { lab, store, listenerFd, warningsOf = () => [], clock = systemClock } = options;
  const { headersTimeoutMs = HEADERS_TIMEOUT_MS } = options;
  const certificate = makeServerCertificate(`cnilab-${lab}`, new Date());
  const token = randomBytes(32).toString("base64url");
  const lists = new ObjectLists(store);
  const watches = new Watches(store, lists);
  const { pods } = options;
  const logs = pods && new LogRequests(store, pods, clock);
  const writes = new ObjectWrites(store, clock, warningsOf, options.refuseWrites);
  const openApi = new OpenApiDocuments(store);
  const parts: ApiParts = {
    store,
    clock,
    lists,
    watches,
    writes,
    openApi,
    ...(logs !== undefined && { logs }),
    events: options.events,
    metrics: options.metrics,
  };
  const handle = requestHandler(parts, token);
  const streams = pods && new Streams(parts, pods, token);
  const timeouts = {
    handshakeTimeout: headersTimeoutMs,
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: headersTimeoutMs / 2,
  };
  const server = createServer({ ...certificate, ...timeouts, minVersion: "TLSv1.2" }, (request, response) => {
    void handle(request, response);
  });
  if (streams !== undefined) server.on("upgrade", (request, socket, head) => streams.upgrade(request, socket, head));
  server.maxConnections = MOST_CONNECTIONS;
  // A client that breaks off its handshake, or speaks no TLS at all.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd: listenerFd }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    kubeconfig: kubeconfig({ lab, port, certificate: certificate.cert, token }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        streams?.close();
        server.closeAllConnections();
      }),
  };
}
