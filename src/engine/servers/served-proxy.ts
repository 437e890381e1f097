import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { NetworkNamespace } from "../../kernel/namespace.ts";
import { openSocket } from "../../kernel/sockets.ts";
import { TraefikProxy, type TraefikProxyOptions } from "../traefik/proxy.ts";

/** A proxy of a pod, and its end. */
export interface ServedProxy {
  proxy: TraefikProxy;
  close(): void;
}

/** A proxy whose connections to servers begin in that network namespace, by a descriptor of its own. */
export function serveProxy(netnsFd: number, options: Omit<TraefikProxyOptions, "connect">): ServedProxy {
  const fd = openSync(`/proc/self/fd/${netnsFd}`, "r");
  const namespace = NetworkNamespace.adopt(options.hostname, fd);
  let isClosed = false;
  const connect = (address: string, port: number): Socket => {
    if (isClosed) return new Socket().destroy(new Error("the proxy has ended"));
    // A socket is of the network that it is made in, wherever it is connected from.
    const socket = new Socket({ fd: namespace.enter(() => openSocket("tcp", address)), writable: true });
    return socket.connect({ host: address, port });
  };
  const proxy = new TraefikProxy({ ...options, connect });
  return {
    proxy,
    close() {
      isClosed = true;
      proxy.close();
      closeSync(fd);
    },
  };
}
