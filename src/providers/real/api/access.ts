import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type RequestOptions } from "node:https";
import { dirname, isAbsolute, join } from "node:path";
import type { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { callbackify } from "node:util";
import { parse } from "yaml";
import * as z from "zod";
import { LabError } from "../../../core/errors.ts";

const text = z.string().optional();

const kubeconfigSchema = z.object({
  "current-context": text,
  contexts: z
    .array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: text, namespace: text }) }))
    .default([]),
  clusters: z
    .array(
      z.object({
        name: z.string(),
        cluster: z.object({
          server: z.url(),
          "certificate-authority": text,
          "certificate-authority-data": text,
          "insecure-skip-tls-verify": z.boolean().optional(),
          "tls-server-name": text,
          "proxy-url": text,
        }),
      }),
    )
    .default([]),
  users: z
    .array(
      z.object({
        name: z.string(),
        user: z
          .object({
            "client-certificate": text,
            "client-certificate-data": text,
            "client-key": text,
            "client-key-data": text,
            token: text,
            tokenFile: text,
            username: text,
            exec: z.unknown().optional(),
            "auth-provider": z.unknown().optional(),
          })
          .nullable(),
      }),
    )
    .default([]),
});

type Kubeconfig = z.output<typeof kubeconfigSchema>;

/** Opens a stream to the API server by a way of its own. */
export type Dial = () => Promise<Duplex>;

/** How requests reach one cluster of a kubeconfig as one of its users. */
export interface ApiAccess {
  /** Without a path's last slash. */
  server: string;
  context: string;
  /** Agent and headers of the next request: tokens expire and certificates are renewed. */
  options(): Promise<Pick<RequestOptions, "agent" | "headers">>;
  /** Ends idle connections; those in use end with what uses them. */
  close(): void;
}

/**
 * Reads a kubeconfig (kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig). Relative paths in
 * it start at `file`'s folder. With `dial`, which is for certificates and tokens alone, connections are its streams. Throws
 * KUBECONFIG_INVALID, KUBECONFIG_NO_CONTEXT.
 */
export async function readAccess(
  yaml: string,
  { context: wanted, file, dial }: { context?: string; file?: string; dial?: Dial } = {},
): Promise<ApiAccess> {
  const config = readKubeconfig(yaml);
  const name = wanted ?? config["current-context"] ?? "";
  const context = config.contexts.find((each) => each.name === name)?.context;
  const cluster = config.clusters.find((each) => each.name === context?.cluster)?.cluster;
  if (context === undefined || cluster === undefined) {
    throw new LabError(
      "KUBECONFIG_NO_CONTEXT",
      `the kubeconfig has no context ${JSON.stringify(name)} with a cluster`,
      {
        hint: `its contexts: ${config.contexts.map((each) => each.name).join(", ") || "none"}`,
      },
    );
  }
  const user = config.users.find((each) => each.name === context.user)?.user ?? undefined;
  const needsPlugin = user?.exec !== undefined || user?.["auth-provider"] !== undefined || user?.username !== undefined;
  const server = cluster.server.replace(/\/$/, "");
  if (needsPlugin || cluster["proxy-url"] !== undefined) {
    return { server, context: name, ...(await pluginAccess(yaml, name, file)) };
  }

  const bytes = (data: string | undefined, path: string | undefined): Buffer | undefined => {
    if (data !== undefined && data !== "") return Buffer.from(data, "base64");
    return path === undefined || path === "" ? undefined : readFileSync(placeOf(path, file));
  };
  const agent = server.startsWith("http:")
    ? new HttpAgent({ keepAlive: true })
    : new (dial === undefined ? HttpsAgent : dialingAgent(dial))({
        keepAlive: true,
        ca: bytes(cluster["certificate-authority-data"], cluster["certificate-authority"]),
        cert: bytes(user?.["client-certificate-data"], user?.["client-certificate"]),
        key: bytes(user?.["client-key-data"], user?.["client-key"]),
        rejectUnauthorized: cluster["insecure-skip-tls-verify"] !== true,
        ...(cluster["tls-server-name"] === undefined ? {} : { servername: cluster["tls-server-name"] }),
      });
  return {
    server,
    context: name,
    // A token file is read each time: the kubelet renews those of service accounts in place.
    options: () => {
      const token =
        user?.tokenFile === undefined ? user?.token : readFileSync(placeOf(user.tokenFile, file), "utf8").trim();
      return Promise.resolve({ agent, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
    },
    close: () => agent.destroy(),
  };
}

/** An agent whose TLS runs over streams that `dial` opens. */
function dialingAgent(dial: Dial): typeof HttpsAgent {
  return class extends HttpsAgent {
    override createConnection(
      options: ConnectionOptions,
      done?: (error: Error | null, stream: Duplex) => void,
    ): undefined {
      callbackify(() => connectOver(dial, options))((error, socket) => done?.(error, socket));
    }
  };
}

async function connectOver(
  dial: Dial,
  { host: _host, port: _port, path: _path, ...options }: ConnectionOptions,
): Promise<Duplex> {
  const stream = await dial();
  // An address is no server name (RFC 6066, 3); kubeadm's certificates are for this name, too.
  const socket = connectTls({ ...options, servername: options.servername || "kubernetes", socket: stream });
  socket.once("error", (error: Error) => stream.destroy(error));
  return socket;
}

/**
 * Credential plugins, proxies and the old kinds of users are @kubernetes/client-node's affair. It takes half a second
 * to load, so kubeconfigs with plain certificates and tokens, as kind writes them, do without.
 */
async function pluginAccess(
  yaml: string,
  context: string,
  file: string | undefined,
): Promise<Pick<ApiAccess, "options" | "close">> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromString(yaml);
  config.setCurrentContext(context);
  if (file !== undefined) config.makePathsAbsolute(dirname(file));
  const proxied = config.getCurrentCluster()?.proxyUrl !== undefined;
  let kept: { key: string; agent: HttpsAgent } | undefined;
  return {
    options: async () => {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      const { ca, cert, key, rejectUnauthorized, servername, headers, auth } = options;
      const basic = auth === undefined || auth === null ? {} : { authorization: `Basic ${btoa(auth)}` };
      const identity = JSON.stringify([String(cert), String(key)]);
      if (kept?.key !== identity) {
        kept?.agent.destroy();
        const own = new HttpsAgent({ keepAlive: true, ca, cert, key, rejectUnauthorized, servername });
        kept = { key: identity, agent: proxied ? (options.agent as HttpsAgent) : own };
      }
      return { agent: kept.agent, headers: { ...(headers as Record<string, string>), ...basic } };
    },
    close: () => kept?.agent.destroy(),
  };
}

function readKubeconfig(yaml: string): Kubeconfig {
  let document: unknown;
  try {
    document = parse(yaml);
  } catch (cause) {
    throw new LabError("KUBECONFIG_INVALID", `the kubeconfig is not YAML: ${(cause as Error).message}`, { cause });
  }
  const read = kubeconfigSchema.safeParse(document);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new LabError("KUBECONFIG_INVALID", `the kubeconfig is none: ${issue?.path.join(".")}: ${issue?.message}`);
}

function placeOf(path: string, file: string | undefined): string {
  return isAbsolute(path) || file === undefined ? path : join(dirname(file), path);
}
