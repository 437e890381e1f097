import { randomBytes } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { LabWarning } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import { systemClock, type Clock } from "../clock.ts";
import type { ObjectStore } from "../store/store.ts";
import { makeServerCertificate } from "./certificate.ts";
import { requestHandler } from "./handle-request.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { ObjectLists } from "./list-objects.ts";
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
  clock?: Clock;
}

export interface ApiServer {
  /** A whole kubeconfig file, with the token: for its owner's eyes alone. */
  kubeconfig: string;
  close(): Promise<void>;
}

/** More than its watches need: a client keeps a few connections open beside them. */
const MOST_CONNECTIONS = 1024;

/** Serves the Kubernetes API on the store, over TLS, to whoever has the token; resolves when it takes connections. */
export async function serveApi(options: ApiServerOptions): Promise<ApiServer> {
  const { lab, store, listenerFd, warningsOf = () => [], clock = systemClock } = options;
  const certificate = makeServerCertificate(`cnilab-${lab}`, new Date());
  const token = randomBytes(32).toString("base64url");
  const lists = new ObjectLists(store);
  const handle = requestHandler(
    { store, clock, lists, watches: new Watches(store, lists), writes: new ObjectWrites(store, warningsOf) },
    token,
  );
  const server = createServer({ ...certificate, minVersion: "TLSv1.2" }, (request, response) => {
    void handle(request, response);
  });
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
        server.closeAllConnections();
      }),
  };
}
