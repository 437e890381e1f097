import { Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { SystemCallError } from "../../kernel/libc.ts";
import { openMarked } from "../../kernel/proxy-sockets.ts";
import type { NetworkNamespace } from "../../kernel/namespace.ts";
import { identityOf, spiffeId, type Identity } from "../mesh/identity.ts";

/** A workload's certificate and the mesh's authority, as PEM. */
export interface Credentials {
  cert: string;
  key: string;
  ca: string;
}

/** What Envoy gives a connection by default here (istio.io … mesh.v1alpha1, connectTimeout). */
const CONNECT_TIMEOUT_MS = 10_000;

/** What Istio's sidecars call their protocols among each other. */
export const HTTP_PROTOCOL = "istio-http/1.1";
export const TCP_PROTOCOL = "istio";
export const MESH_PROTOCOLS = [HTTP_PROTOCOL, "istio-http/1.0", "istio-peer-exchange", TCP_PROTOCOL];

/** Begins a connection from a pod's network; it ends with an error where there is none within 10 s. */
export function dial(
  network: NetworkNamespace | undefined,
  to: { address: string; port: number },
  { mark, from }: { mark: number; from?: string },
): Socket {
  if (network === undefined) return new Socket().destroy(new Error("the pod has ended"));
  let fd: number;
  try {
    fd = network.enter(() => openMarked(to.address, mark, from));
  } catch (error) {
    // This host's limits, such as EMFILE, end the connection and no more.
    if (error instanceof SystemCallError) return new Socket().destroy(error);
    throw error;
  }
  const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  const late = Object.assign(new Error("connection timeout"), { code: "ETIMEDOUT" });
  const timer = setTimeout(() => socket.destroy(late), CONNECT_TIMEOUT_MS);
  socket.once("connect", () => clearTimeout(timer));
  socket.once("close", () => clearTimeout(timer));
  socket.connect({ host: to.address, port: to.port });
  return socket;
}

/** Mutual TLS over a connection that is being made, with a peer that has to be this one. */
export function mutualTls(
  socket: Socket,
  credentials: Credentials,
  { serverName, protocol, peer }: { serverName: string; protocol: string; peer: Identity | undefined },
): TLSSocket {
  const tls = connectTls({
    socket,
    ...credentials,
    minVersion: "TLSv1.2",
    servername: serverName,
    ALPNProtocols: [protocol],
    checkServerIdentity: (_host, { subjectaltname }) => {
      const found = identityOf(subjectaltname);
      if (peer === undefined || (found !== undefined && spiffeId(found) === spiffeId(peer))) return undefined;
      return new Error(`verify SAN list: ${subjectaltname ?? "none"}`);
    },
  });
  socket.once("error", (error) => tls.destroy(error));
  return tls;
}
