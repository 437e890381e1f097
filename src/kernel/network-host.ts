import { writeFileSync } from "node:fs";
import type { NetOp } from "./net-ops.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import type { NetlinkRequest } from "./netlink-socket.ts";
import { NetworkNamespace } from "./namespace.ts";
import { InterfaceIndexes, requestsFor } from "./rtnetlink.ts";
import type { PeerNamespace } from "./rtnetlink.ts";

/** A network namespace with its configuration: what a node, a pod, or a switch is here. */
export class NetworkHost implements PeerNamespace {
  readonly namespace: NetworkNamespace;
  readonly indexes = new InterfaceIndexes();
  private socket: NetlinkSocket | undefined;

  private constructor(namespace: NetworkNamespace) {
    this.namespace = namespace;
  }

  static create(name: string): NetworkHost {
    return new NetworkHost(NetworkNamespace.create(name));
  }

  get fd(): number {
    return this.namespace.fd;
  }

  /**
   * Carries the operations out in order, neighbouring ones in one send. `resolve` finds the namespace that a veth's other
   * end goes to. Throws NetlinkError or the file error of a sysctl; what came before it has been done.
   */
  configure(ops: readonly NetOp[], resolve: (key: string) => PeerNamespace): void {
    let pending: NetlinkRequest[] = [];
    const flush = (): void => {
      if (pending.length === 0) return;
      this.socket ??= this.namespace.enter(() => new NetlinkSocket());
      this.socket.request(pending);
      pending = [];
    };
    const sysctls: Extract<NetOp, { op: "sysctl" }>[] = [];
    const writeSysctls = (): void => {
      if (sysctls.length === 0) return;
      const batch = sysctls.splice(0);
      this.namespace.enter(() => {
        for (const { key, value } of batch) writeFileSync(`/proc/sys/net/${key}`, value);
      });
    };
    for (const op of ops) {
      if (op.op === "sysctl") {
        flush();
        sysctls.push(op);
      } else {
        writeSysctls();
        pending.push(...requestsFor(op, this.indexes, resolve));
      }
    }
    flush();
    writeSysctls();
  }

  /** Closes the configuration socket, kept open otherwise; for namespaces that rarely change. */
  release(): void {
    this.socket?.close();
    this.socket = undefined;
  }

  close(): void {
    this.release();
    this.namespace.close();
  }
}
