import { calls, check, errnoName, lastErrno } from "./libc.ts";
import { NetworkNamespace } from "./namespace.ts";
import { openSocket, socketAddress } from "./sockets.ts";

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
  /** The flow's own end, for matching kernel records; absent where the socket never had one. */
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
const EINTR = 4;
const ECONNREFUSED = 111;
/** What the kernel reports when an ICMP error or a local route says no: EACCES … EHOSTUNREACH. */
const UNREACHABLE = new Set([1, 13, 101, 113, 110]);
const EPOLLIN = 1;
const EPOLLOUT = 4;
const EPOLL_CTL_ADD = 1;
const EPOLL_CLOEXEC = 0o2000000;
const EVENTS_A_WAIT = 512;
/** struct epoll_event is packed on x86-64 only (epoll_ctl(2)). */
const EVENT_BYTES = process.arch === "x64" ? 12 : 16;
const EVENT_DATA = EVENT_BYTES - 8;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_LINGER = 13;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_INFO_TOTAL_RETRANS = 100;
const FIRST_QUIET_MS = 2;
const LONGEST_QUIET_MS = 50;

/** Descriptors a sweep may hold at once; more targets are tried in rounds. */
const ROUND = 8192;

/** A minimal DNS query (RFC 1035): what a DNS server answers; an echo server returns it. */
const dnsQuery = Buffer.from("63690100000100000000000007636e696c616204746573740000010001", "hex");
/** agnhost's netexec answers this word over UDP; echo servers return it. */
const udpGreeting = Buffer.from("hostname\n");

interface OpenProbe {
  target: ProbeTarget;
  fd: number;
  startedAt: number;
}

function outcomeOf(errno: number): ProbeOutcome["outcome"] {
  if (errno === ECONNREFUSED) return "refused";
  return UNREACHABLE.has(errno) ? "unreachable" : "error";
}

function sourceOf(fd: number): { address: string; port: number } | undefined {
  const name = Buffer.alloc(28);
  if (calls.getsockname(fd, name, [28]) < 0) return undefined;
  const port = name.readUInt16BE(2);
  if (name.readUInt16LE(0) === 2) return { address: [...name.subarray(4, 8)].join("."), port };
  const groups = Array.from({ length: 8 }, (_, index) => name.readUInt16BE(8 + index * 2).toString(16));
  return { address: groups.join(":"), port };
}

function retransmitsOf(fd: number): number {
  const info = Buffer.alloc(104);
  if (calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, [104]) < 0) return 0;
  return info.readUInt32LE(TCP_INFO_TOTAL_RETRANS);
}

class Round {
  private readonly epoll = check("epoll_create1", calls.epoll_create1(EPOLL_CLOEXEC));
  private readonly events = Buffer.alloc(EVENT_BYTES * EVENTS_A_WAIT);
  private readonly open = new Map<number, OpenProbe>();
  readonly outcomes: ProbeOutcome[] = [];

  start(targets: readonly ProbeTarget[]): void {
    const byNamespace = new Map<number, ProbeTarget[]>();
    for (const target of targets) {
      const list = byNamespace.get(target.netnsFd);
      if (list === undefined) byNamespace.set(target.netnsFd, [target]);
      else list.push(target);
    }
    for (const [fd, list] of byNamespace) {
      NetworkNamespace.adopt("probe source", fd).enter(() => {
        for (const target of list) this.connect(target);
      });
    }
  }

  private connect(target: ProbeTarget): void {
    const startedAt = performance.now();
    let fd: number | undefined;
    try {
      fd = openSocket(target.protocol, target.address);
      const name = socketAddress(target.address, target.port);
      if (target.protocol === "tcp") {
        // RST instead of TIME_WAIT: thousands of probes must not fill the namespace's port range.
        check("setsockopt", calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8));
      }
      this.open.set(fd, { target, fd, startedAt });
      if (calls.connect(fd, name, name.length) < 0 && lastErrno() !== EINPROGRESS) return this.fail(fd, lastErrno());
      if (target.protocol === "udp") {
        const payload = target.port === 53 ? dnsQuery : udpGreeting;
        if (calls.send(fd, payload, payload.length, 0) < 0) return this.fail(fd, lastErrno());
      }
      const event = Buffer.alloc(EVENT_BYTES);
      event.writeUInt32LE(target.protocol === "tcp" ? EPOLLOUT : EPOLLIN, 0);
      event.writeInt32LE(fd, EVENT_DATA);
      check("epoll_ctl", calls.epoll_ctl(this.epoll, EPOLL_CTL_ADD, fd, event));
    } catch (error) {
      if (fd !== undefined) this.open.delete(fd);
      if (fd !== undefined) calls.close(fd);
      const detail = error instanceof Error ? error.message : String(error);
      this.outcomes.push({ id: target.id, outcome: "error", detail, latencyMs: 0, retransmits: 0 });
    }
  }

  private fail(fd: number, errno: number): void {
    this.finish(fd, outcomeOf(errno), errnoName(errno));
  }

  private finish(fd: number, outcome: ProbeOutcome["outcome"], detail: string): void {
    const probe = this.open.get(fd);
    if (probe === undefined) return;
    this.open.delete(fd);
    const source = sourceOf(fd);
    const retransmits = probe.target.protocol === "tcp" && outcome === "answered" ? retransmitsOf(fd) : 0;
    calls.close(fd);
    const latencyMs = performance.now() - probe.startedAt;
    this.outcomes.push({
      id: probe.target.id,
      outcome,
      detail,
      latencyMs,
      retransmits,
      ...(source && { source }),
    });
  }

  /** Waits for answers until none is open or the deadline, in performance.now() milliseconds, has passed. */
  wait(deadline: number, dropped: DropLookup): void {
    let quietMs = FIRST_QUIET_MS;
    while (this.open.size > 0) {
      const left = deadline - performance.now();
      if (left <= 0) break;
      if (this.poll(Math.ceil(Math.min(quietMs, left))) > 0) {
        quietMs = FIRST_QUIET_MS;
        continue;
      }
      this.closeDropped(dropped);
      quietMs = Math.min(quietMs * 2, LONGEST_QUIET_MS);
    }
    // What came in time but was not read yet is an answer: a thousand at once take longer to read than to arrive.
    while (this.open.size > 0 && this.poll(0) > 0);
    for (const fd of this.open.keys()) this.finish(fd, "no-answer", "no answer before the deadline");
  }

  close(): void {
    for (const fd of this.open.keys()) calls.close(fd);
    calls.close(this.epoll);
  }

  private poll(timeoutMs: number): number {
    const result = calls.epoll_wait(this.epoll, this.events, EVENTS_A_WAIT, timeoutMs);
    // A process that was stopped and goes on (SIGCONT) sees its waits interrupted (signal(7)).
    const ready = result < 0 && lastErrno() === EINTR ? 0 : check("epoll_wait", result);
    for (let index = 0; index < ready; index++) {
      const probe = this.open.get(this.events.readInt32LE(index * EVENT_BYTES + EVENT_DATA));
      if (probe !== undefined) this.ready(probe);
    }
    return ready;
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
    for (const { target, fd } of this.open.values()) {
      const source = sourceOf(fd);
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

/**
 * Opens every target at once from one thread and waits for all under one deadline: connect(2) without blocking, then
 * epoll(7). A flow that `dropped` names does not wait for the deadline. Blocks the calling thread, so it belongs on a
 * worker of its own. Targets beyond 8192 go in further rounds, each with its own deadline.
 */
export function probeAll(targets: readonly ProbeTarget[], deadlineMs: number, dropped: DropLookup): ProbeOutcome[] {
  const outcomes: ProbeOutcome[] = [];
  for (let start = 0; start < targets.length; start += ROUND) {
    const round = new Round();
    try {
      round.start(targets.slice(start, start + ROUND));
      round.wait(performance.now() + deadlineMs, dropped);
      outcomes.push(...round.outcomes);
    } finally {
      round.close();
    }
  }
  return outcomes;
}
