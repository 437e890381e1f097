import { isRecord } from "../../core/is-record.ts";
import type { Container, IntOrString } from "../../kube/types.ts";
import type { Listen } from "../servers/behaviour.ts";
import { httpApps } from "../servers/http-apps.ts";

/** The kinds of probes, as events name them. */
type ProbeName = "Startup" | "Liveness" | "Readiness";

const FIELDS = { Startup: "startupProbe", Liveness: "livenessProbe", Readiness: "readinessProbe" } as const;

/**
 * Why a running container's probe would fail, or undefined where it would pass or there is none. Judged from what the
 * container listens on and would answer; nothing is polled. An exec probe is taken to pass.
 */
export function probeFault(container: Container, name: ProbeName, listens: readonly Listen[]): string | undefined {
  const probe = container[FIELDS[name]];
  if (!isRecord(probe)) return undefined;
  const { httpGet, tcpSocket, grpc } = probe;
  const socket = isRecord(tcpSocket) ? tcpSocket : isRecord(grpc) ? grpc : undefined;
  const fault = isRecord(httpGet)
    ? httpFault(container, listens, httpGet)
    : socket === undefined
      ? undefined
      : socketFault(container, listens, socket["port"]);
  return fault === undefined ? undefined : `${name} probe failed: ${fault}`;
}

/** Why nothing answers on a port, a number or its name; undefined where something does. */
export function socketFault(container: Container, listens: readonly Listen[], port: unknown): string | undefined {
  return listenerOn(listens, portOf(container, port)) === undefined
    ? `dial tcp port ${String(port)}: connection refused`
    : undefined;
}

function httpFault(
  container: Container,
  listens: readonly Listen[],
  httpGet: Record<string, unknown>,
): string | undefined {
  const port = portOf(container, httpGet["port"]);
  const listen = listenerOn(listens, port);
  const target = typeof httpGet["path"] === "string" ? httpGet["path"] : "/";
  const where = `port ${String(httpGet["port"])}${target}`;
  const notFound = "HTTP probe failed with statuscode: 404";
  if (listen === undefined) return `Get ${where}: connection refused`;
  if (listen.behaviour.kind === "traefik") {
    const { entryPoint, statics } = listen.behaviour;
    return entryPoint === statics.ping && target.startsWith("/ping") ? undefined : notFound;
  }
  // What is behind a plain listener of an image that is not modelled is not known.
  if (listen.behaviour.kind !== "http") return undefined;
  const { tls } = listen.behaviour;
  // Go's server tells a client that speaks HTTP to it; the kubelet checks no certificate.
  if (tls !== undefined && httpGet["scheme"] !== "HTTPS") return "HTTP probe failed with statuscode: 400";
  if (tls === undefined && httpGet["scheme"] === "HTTPS") return `Get ${where}: the server speaks HTTP, not HTTPS`;
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  const asked = {
    method: "GET",
    target,
    path: path.startsWith("/") ? path : `/${path}`,
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark)),
    headers: {},
    headerLines: [],
    remoteAddress: "",
    remotePort: 0,
    nowMs: 0,
  };
  const { status } = httpApps[listen.behaviour.app](asked, NOBODY, listen.behaviour);
  return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`;
}

/** What a readiness probe is answered does not depend on the pod. */
const NOBODY = { name: "", hostname: "", namespace: "", ips: [] };

function portOf(container: Container, port: unknown): number | undefined {
  if (typeof port === "number") return port;
  const named = (container.ports ?? []).find(({ name }) => name === (port as IntOrString));
  return named?.containerPort ?? (/^\d+$/.test(String(port)) ? Number(port) : undefined);
}

function listenerOn(listens: readonly Listen[], port: number | undefined): Listen | undefined {
  return listens.find((listen) => listen.protocol === "TCP" && listen.port === port && listen.address !== "127.0.0.1");
}
