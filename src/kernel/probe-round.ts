import { fstatSync } from "node:fs";
import { EPOLLIN, EPOLLOUT, Epoll } from "./epoll.ts";
import { calls, check, errnoName, lastErrno } from "./libc.ts";
import { NetworkNamespace } from "./namespace.ts";
import { outcomeOf } from "./probe-errors.ts";
import { sendDatagram } from "./probe-datagram.ts";
import { localEnd, openSocket, socketAddress } from "./sockets.ts";
import { POLLOUT, Poll } from "./poll.ts";
import { bindInTurn } from "./source-ports.ts";

/** A connection to try: from the network namespace `netnsFd` to an IP literal and port. */
export interface ProbeTarget {
  id: number;
  netnsFd: number;
  address: string;
  port: number;
  protocol: "tcp" | "udp";
}

export interface ProbeOutcome {
  id: number;
  outcome: "answered" | "refused" | "unreachable" | "no-answer" | "error";
  detail: string;
  latencyMs: number;
  /** The flow's own end, for matching kernel records; absent where it was answered, or the socket never had one. */
  source?: { address: string; port: number };
  retransmits: number;
}

/** A flow still without an answer, as the kernel would record its drop. */
export interface PendingFlow {
  id: number;
  protocol: "tcp" | "udp";
  source: { address: string; port: number };
  destination: { address: string; port: number };
}

/**
 * Says which pending flows a rule is known to have dropped, as their ids; called after quiet moments, at most every few
 * milliseconds. Those flows are closed at once and come out as `no-answer`.
 */
export type DropLookup = (pending: readonly PendingFlow[]) => ReadonlySet<number>;

const EINPROGRESS = 115;
const EAGAIN = 11;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_LINGER = 13;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_QUICKACK = 12;
const TCP_INFO_TOTAL_RETRANS = 100;
const NO_ANSWER = "no answer before the deadline";
const FIRST_QUIET_MS = 2;
const LONGEST_QUIET_MS = 50;
/** A SYN is sent again after a second (RFC 6298, 2.1), give or take a tick of the kernel's. */
const NO_RETRANSMIT_MS = 900;
/** Connections that are begun before the first of them is looked at. */
const A_STRIDE = 64;
/** How long a round goes on to begin connections: what the rules recorded of its first is still there (10 s) when they are all begun. */
const LONGEST_START_MS = 2000;
/** Descriptors a round may hold; two threads may have one each, of 20,000 and fewer that some hosts allow a process. */
const MOST_AT_ONCE = 4096;
/** RST instead of TIME_WAIT: thousands of probes must not fill the namespace's port range. */
const LINGER_NONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
const OFF = new Uint8Array(4);

interface OpenProbe {
  target: ProbeTarget;
  fd: number;
  startedAt: number;
  isResent?: boolean;
  /** Its own end, once it was asked for. */
  source?: ProbeOutcome["source"];
}

function retransmitsOf({ target, fd, isResent }: OpenProbe, latencyMs: number): number {
  if (target.protocol === "udp") return isResent === true ? 1 : 0;
  if (latencyMs < NO_RETRANSMIT_MS) return 0;
  const info = Buffer.alloc(104);
  if (calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, [104]) < 0) return 0;
  return info.readUInt32LE(TCP_INFO_TOTAL_RETRANS);
}

/** The targets with those of each namespace together, for {@link ProbeRound.start}. */
export function besideTheirLike(targets: readonly ProbeTarget[]): ProbeTarget[] {
  return targets.toSorted((one, other) => one.netnsFd - other.netnsFd);
}

/** Connections that are tried at once, under one deadline. */
export class ProbeRound {
  /** Readable where something is to be read, of those that are watched. */
  readonly epoll = new Epoll();
  private readonly open = new Map<number, OpenProbe>();
  /** Those that `epoll` does not tell of yet. */
  private readonly unwatched: OpenProbe[] = [];
  private readonly atOnce = new Poll(A_STRIDE);
  /** Socket addresses by their text: a matrix has each as often as it has sources. */
  private readonly names = new Map<string, Uint8Array>();
  readonly outcomes: ProbeOutcome[] = [];

  /**
   * Begins to try the targets from `first` on, and gives how many: fewer than there are where so many stay without an answer that the
   * round is full, or its first would wait too long for its last. Those of one namespace should stand together.
   */
  start(targets: readonly ProbeTarget[], first = 0): number {
    const until = performance.now() + LONGEST_START_MS;
    let next = first;
    while (next < targets.length && this.open.size < MOST_AT_ONCE && (next === first || performance.now() < until)) {
      const fd = targets[next]?.netnsFd ?? -1;
      const most = Math.min(targets.length, next + Math.min(A_STRIDE, MOST_AT_ONCE - this.open.size));
      let end = next + 1;
      while (end < most && targets[end]?.netnsFd === fd) end += 1;
      const begun: OpenProbe[] = [];
      // A descriptor's number may be another namespace's in the next sweep.
      const ino = targets.slice(next, end).some(({ protocol }) => protocol === "udp") ? fstatSync(fd).ino : 0;
      NetworkNamespace.adopt("probe source", fd).enter(() => {
        for (const target of targets.slice(next, end)) {
          const probe = this.connect(target, ino);
          if (probe !== undefined) begun.push(probe);
        }
      });
      this.awaitThose(begun);
      next = end;
    }
    return next - first;
  }

  /** A neighbour in the same kernel has answered before connect(2) comes back: only who has not is waited for. */
  private awaitThose(begun: readonly OpenProbe[]): void {
    const connecting = begun.filter(({ target }) => target.protocol === "tcp");
    const revents = this.atOnce.now(
      connecting.map(({ fd }) => fd),
      POLLOUT,
    );
    for (const [index, probe] of connecting.entries()) {
      if (revents[index] === POLLOUT) this.finish(probe.fd, "answered", "connected");
      else this.unwatched.push(probe);
    }
    for (const probe of begun) if (probe.target.protocol === "udp") this.unwatched.push(probe);
  }

  /** Has `epoll` tell of those that are open: of many a rule has dropped the packet, and they are closed before they are waited for. */
  watch(): void {
    for (const probe of this.unwatched.splice(0)) {
      if (this.open.get(probe.fd) === probe)
        this.epoll.add(probe.fd, probe.target.protocol === "tcp" ? EPOLLOUT : EPOLLIN);
    }
  }

  /** Undefined where it has its outcome already. */
  private connect(target: ProbeTarget, namespace: number): OpenProbe | undefined {
    const startedAt = performance.now();
    let fd: number | undefined;
    try {
      fd = openSocket(target.protocol, target.address);
      const name = this.nameOf(target);
      if (target.protocol === "tcp") {
        check("setsockopt", calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, LINGER_NONE, 8));
        // Nothing is to be sent, and the RST follows: the handshake's last ACK is left out, and no server wakes up for nothing.
        check("setsockopt", calls.setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, OFF, 4));
      } else bindInTurn(fd, namespace, target.address.includes(":") ? 6 : 4);
      const probe = { target, fd, startedAt };
      this.open.set(fd, probe);
      if (calls.connect(fd, name, name.length) < 0) {
        const errno = lastErrno();
        if (errno !== EINPROGRESS) this.fail(fd, errno);
      } else if (target.protocol === "udp" && sendDatagram(fd, target.port) < 0) this.fail(fd, lastErrno());
      return this.open.has(fd) ? probe : undefined;
    } catch (error) {
      if (fd !== undefined) this.open.delete(fd);
      if (fd !== undefined) calls.close(fd);
      const detail = error instanceof Error ? error.message : String(error);
      this.outcomes.push({ id: target.id, outcome: "error", detail, latencyMs: 0, retransmits: 0 });
      return undefined;
    }
  }

  private nameOf({ address, port }: ProbeTarget): Uint8Array {
    const text = `${address} ${port}`;
    let name = this.names.get(text);
    if (name === undefined) {
      name = socketAddress(address, port);
      this.names.set(text, name);
    }
    return name;
  }

  private fail(fd: number, errno: number): void {
    this.finish(fd, outcomeOf(errno), errnoName(errno));
  }

  private finish(fd: number, outcome: ProbeOutcome["outcome"], detail: string): void {
    const probe = this.open.get(fd);
    if (probe === undefined) return;
    this.open.delete(fd);
    const latencyMs = performance.now() - probe.startedAt;
    const source = outcome === "answered" ? undefined : (probe.source ?? localEnd(fd));
    const retransmits = outcome === "answered" ? retransmitsOf(probe, latencyMs) : 0;
    calls.close(fd);
    this.outcomes.push({ id: probe.target.id, outcome, detail, latencyMs, retransmits, ...(source && { source }) });
  }

  /** Waits for answers until none is open or the deadline has passed; both times in performance.now() milliseconds. */
  wait(deadline: number, resendUdpAt: number, dropped: DropLookup | undefined): void {
    // What a rule dropped on the way of a SYN was recorded before connect(2) came back; datagrams' answers take their time.
    const isConnecting = [...this.open.values()].some(({ target }) => target.protocol === "tcp");
    if (dropped !== undefined && isConnecting) this.closeDropped(dropped);
    this.watch();
    let quietMs = FIRST_QUIET_MS;
    let nextResend = resendUdpAt;
    while (this.open.size > 0) {
      const now = performance.now();
      if (now >= deadline) break;
      if (now >= nextResend) {
        nextResend = Number.POSITIVE_INFINITY;
        this.resendUdp();
        continue;
      }
      if (this.poll(Math.ceil(Math.min(quietMs, Math.min(deadline, nextResend) - now))) > 0) {
        quietMs = FIRST_QUIET_MS;
        continue;
      }
      if (dropped !== undefined) this.closeDropped(dropped);
      quietMs = Math.min(quietMs * 2, LONGEST_QUIET_MS);
    }
    // What came in time but was not read yet is an answer: a thousand at once take longer to read than to arrive.
    while (this.open.size > 0 && this.poll(0) > 0);
    for (const fd of this.open.keys()) this.finish(fd, "no-answer", NO_ANSWER);
  }

  /** Reads what is there, without waiting, and does what is due by now; whether all have their outcome. */
  step(now: number, deadline: number, resendUdpAt: number): boolean {
    while (this.open.size > 0 && this.poll(0) > 0);
    if (now >= resendUdpAt) this.resendUdp();
    if (now >= deadline) {
      for (const fd of this.open.keys()) this.finish(fd, "no-answer", NO_ANSWER);
    }
    return this.open.size === 0;
  }

  private resendUdp(): void {
    for (const probe of this.open.values()) {
      if (probe.target.protocol !== "udp") continue;
      probe.isResent = true;
      if (sendDatagram(probe.fd, probe.target.port) < 0) this.fail(probe.fd, lastErrno());
    }
  }

  close(): void {
    for (const fd of this.open.keys()) calls.close(fd);
    this.epoll.close();
  }

  private poll(timeoutMs: number): number {
    const ready = this.epoll.wait(timeoutMs);
    for (const fd of ready) {
      const probe = this.open.get(fd);
      if (probe !== undefined) this.ready(probe);
    }
    return ready.length;
  }

  private ready(probe: OpenProbe): void {
    if (probe.target.protocol === "tcp") {
      const value = Buffer.alloc(4);
      check("getsockopt", calls.getsockopt(probe.fd, SOL_SOCKET, SO_ERROR, value, [4]));
      const errno = value.readInt32LE(0);
      if (errno === 0) this.finish(probe.fd, "answered", "connected");
      else this.fail(probe.fd, errno);
      return;
    }
    const length = calls.recv(probe.fd, Buffer.alloc(2048), 2048, 0);
    if (length >= 0) this.finish(probe.fd, "answered", `${length} bytes`);
    else if (lastErrno() !== EAGAIN) this.fail(probe.fd, lastErrno());
  }

  private closeDropped(lookup: DropLookup): void {
    const fdOf = new Map<number, number>();
    const pending: PendingFlow[] = [];
    for (const probe of this.open.values()) {
      const { target, fd } = probe;
      // A connected socket keeps its end: it is asked for once, however often records are read.
      const source = (probe.source ??= localEnd(fd));
      if (source === undefined) continue;
      fdOf.set(target.id, fd);
      pending.push({
        id: target.id,
        protocol: target.protocol,
        source,
        destination: { address: target.address, port: target.port },
      });
    }
    for (const id of lookup(pending)) {
      const fd = fdOf.get(id);
      if (fd !== undefined) this.finish(fd, "no-answer", "dropped by a rule");
    }
  }
}
