import { writeFileSync } from "node:fs";
import type { NetOp } from "./net-ops.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import { NetworkNamespace } from "./namespace.ts";
import { interfaceSetting } from "./interface-settings.ts";
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
   * Carries the operations out in few system calls: sysctls that stand first are written first, then all messages go to
   * the kernel in order, settings of interfaces among them, then the other sysctls are written. `resolve` finds the
   * namespace that a veth's other end goes to. Throws NetlinkError or a sysctl's file error; what came before it is done.
   */
  configure(ops: readonly NetOp[], resolve: (key: string) => PeerNamespace): void {
    const firstMessage = ops.findIndex(({ op }) => op !== "sysctl");
    const split = firstMessage === -1 ? ops.length : firstMessage;
    this.writeSysctls(ops.slice(0, split));
    const rest = ops.slice(split);
    const files: NetOp[] = [];
    const requests = rest.flatMap((op) => {
      if (op.op !== "sysctl") return requestsFor(op, this.indexes, resolve);
      const request = interfaceSetting(op, this.indexes);
      if (request === undefined) files.push(op);
      return request ?? [];
    });
    if (requests.length > 0) {
      this.socket ??= this.namespace.enter(() => new NetlinkSocket());
      this.socket.request(requests);
    }
    this.writeSysctls(files);
  }

  private writeSysctls(ops: readonly NetOp[]): void {
    const sysctls = ops.filter((op) => op.op === "sysctl");
    if (sysctls.length === 0) return;
    this.namespace.enter(() => {
      for (const { key, value } of sysctls) writeFileSync(`/proc/sys/net/${key}`, value);
    });
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
