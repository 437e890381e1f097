import { readFileSync, writeFileSync } from "node:fs";
import { restoreRequests, saveLink, type SavedLink } from "./link-state.ts";
import type { NetOp } from "./net-ops.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import type { NetlinkRequest } from "./netlink-socket.ts";
import { NetworkNamespace } from "./namespace.ts";
import { freshLinks } from "./fresh-links.ts";
import { interfaceSettings } from "./interface-settings.ts";
import { untilCarrying } from "./link-carrier.ts";
import { untilUsable } from "./usable-addresses.ts";
import { InterfaceIndexes } from "./interface-indexes.ts";
import { requestsFor } from "./rtnetlink.ts";
import type { PeerNamespace } from "./interface-indexes.ts";
import { configureWireguard, isWireguardOp, type WireguardOp } from "./wireguard.ts";
import { configureXfrm, isXfrmOp, type XfrmOp } from "./xfrm.ts";

function noPeer(key: string): never {
  throw new Error(`no other namespace is meant: ${key}`);
}

/** What sysctls are in a new namespace, by key. */
const freshValues = new Map<string, string>();

/** A network namespace with its configuration: what a node, a pod, or a switch is here. */
export class NetworkHost implements PeerNamespace {
  readonly namespace: NetworkNamespace;
  readonly indexes: InterfaceIndexes;
  private socket: NetlinkSocket | undefined;
  private readonly written = new Set<string>();

  private constructor(namespace: NetworkNamespace) {
    this.namespace = namespace;
    this.indexes = new InterfaceIndexes(freshLinks(namespace));
  }

  static create(name: string): NetworkHost {
    return new NetworkHost(NetworkNamespace.create(name));
  }

  /** In a namespace that has been configured with `done`, by another thread, and nothing else; `close` closes it. */
  static in(namespace: NetworkNamespace, done: readonly NetOp[] = []): NetworkHost {
    const host = new NetworkHost(namespace);
    for (const op of done) if (op.op === "sysctl") host.written.add(op.key);
    return host;
  }

  get fd(): number {
    return this.namespace.fd;
  }

  /**
   * Carries the operations out in few system calls: sysctls that stand first are written first, then all messages go to
   * the kernel in order, settings of interfaces among them, then the other sysctls are written, and WireGuard devices and IPsec are set. `resolve` finds the
   * namespace that a veth's other end goes to. Throws NetlinkError or a sysctl's file error; what came before it is done.
   */
  configure(ops: readonly NetOp[], resolve: (key: string) => PeerNamespace): void {
    const firstMessage = ops.findIndex(({ op }) => op !== "sysctl");
    const split = firstMessage === -1 ? ops.length : firstMessage;
    this.writeSysctls(ops.slice(0, split));
    const rest = ops.slice(split);
    const files: NetOp[] = [];
    const wireguard: WireguardOp[] = [];
    const xfrm: XfrmOp[] = [];
    const requests: NetlinkRequest[] = [];
    for (let at = 0; at < rest.length;) {
      const settings = interfaceSettings(rest, at, this.indexes);
      const op = rest[at];
      if (settings !== undefined) requests.push(settings.request);
      else if (op?.op === "sysctl") files.push(op);
      else if (op !== undefined && isWireguardOp(op)) wireguard.push(op);
      else if (op !== undefined && isXfrmOp(op)) xfrm.push(op);
      else if (op !== undefined) requests.push(...requestsFor(op, this.indexes, resolve));
      at += settings?.count ?? 1;
    }
    if (requests.length > 0) this.opened().request(requests);
    this.writeSysctls(files);
    if (wireguard.length > 0) this.namespace.enter(() => configureWireguard(wireguard, this.indexes));
    if (xfrm.length > 0) this.namespace.enter(() => configureXfrm(xfrm));
  }

  private opened(): NetlinkSocket {
    this.socket ??= this.namespace.enter(() => new NetlinkSocket());
    return this.socket;
  }

  /** Takes a link down; returns what goes with it, for {@link linkUp}. */
  linkDown(name: string): SavedLink {
    const saved = saveLink(this.opened(), this.indexes.of(name));
    this.configure([{ op: "link-down", name }], noPeer);
    return saved;
  }

  /** Takes a link up, with its routes and permanent neighbours. */
  linkUp(name: string, saved: SavedLink): void {
    this.configure([{ op: "link-up", name }], noPeer);
    this.opened().request(restoreRequests(saved));
  }

  /** Blocks until these links, which are up, carry packets; bridges stand behind their ports. Throws LINK_WITHOUT_CARRIER. */
  untilCarrying(names: Iterable<string>): void {
    for (const name of names) untilCarrying(this.opened(), { name, index: this.indexes.of(name) });
  }

  /** Blocks until all IPv6 addresses take packets, and these links have one of their own. Throws ADDRESS_NOT_USABLE. */
  untilUsable(linkLocal: Iterable<string> = []): void {
    const links = [...linkLocal].map((name) => ({ name, index: this.indexes.of(name) }));
    untilUsable(this.opened(), links);
  }

  private writeSysctls(ops: readonly NetOp[]): void {
    const sysctls = ops.filter((op) => op.op === "sysctl").filter((op) => !this.isFreshValue(op));
    if (sysctls.length === 0) return;
    this.namespace.enter(() => {
      for (const { key, value } of sysctls) {
        writeFileSync(`/proc/sys/net/${key}`, value);
        this.written.add(key);
      }
    });
  }

  /** Whether the namespace, not an interface of it, has the value since it was made: all of this process begin alike. */
  private isFreshValue({ key, value }: Extract<NetOp, { op: "sysctl" }>): boolean {
    if (key.split("/").length > 2 || this.written.has(key)) return false;
    let fresh = freshValues.get(key);
    if (fresh === undefined) {
      fresh = this.namespace.enter(() => readFileSync(`/proc/sys/net/${key}`, "utf8").trim());
      freshValues.set(key, fresh);
    }
    return fresh === value;
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
