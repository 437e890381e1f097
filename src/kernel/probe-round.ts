import { formatIpBytes } from "../core/ip.ts";
import { EPOLLIN, EPOLLOUT, Epoll } from "./epoll.ts";
import { calls, check, errnoName, lastErrno } from "./libc.ts";
import { NetworkNamespace } from "./namespace.ts";
import { openSocket, socketAddress } from "./sockets.ts";
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

const AF_INET = 2;
const EINPROGRESS = 115;
const EAGAIN = 11;
const ECONNREFUSED = 111;
/** What the kernel reports when an ICMP error or a local route says no: EACCES … EHOSTUNREACH. */
const UNREACHABLE = new Set([1, 13, 101, 113, 110]);
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_LINGER = 13;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_INFO_TOTAL_RETRANS = 100;
const NO_ANSWER = "no answer before the deadline";
const FIRST_QUIET_MS = 2;
const LONGEST_QUIET_MS = 50;

/** Descriptors a round may hold. */
export const MOST_AT_ONCE = 8192;

/** A minimal DNS query (RFC 1035): what a DNS server answers; an echo server returns it. */
const dnsQuery = Buffer.from("63690100000100000000000007636e696c616204746573740000010001", "hex");
/** agnhost's netexec answers this word over UDP; echo servers return it. */
const udpGreeting = Buffer.from("hostname\n");

interface OpenProbe {
  target: ProbeTarget;
  fd: number;
  startedAt: number;
  isResent?: boolean;
}

function sendDatagram(fd: number, port: number): number {
  const payload = port === 53 ? dnsQuery : udpGreeting;
  return calls.send(fd, payload, payload.length, 0);
}

function outcomeOf(errno: number): ProbeOutcome["outcome"] {
  if (errno === ECONNREFUSED) return "refused";
  return UNREACHABLE.has(errno) ? "unreachable" : "error";
}

function sourceOf(fd: number): { address: string; port: number } | undefined {
  const name = Buffer.alloc(28);
  if (calls.getsockname(fd, name, [28]) < 0) return undefined;
  const port = name.readUInt16BE(2);
  const address = name.readUInt16LE(0) === AF_INET ? name.subarray(4, 8) : name.subarray(8, 24);
  return { address: formatIpBytes(address), port };
}

function retransmitsOf({ target, fd, isResent }: OpenProbe): number {
  if (target.protocol === "udp") return isResent === true ? 1 : 0;
  const info = Buffer.alloc(104);
  if (calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, [104]) < 0) return 0;
  return info.readUInt32LE(TCP_INFO_TOTAL_RETRANS);
}

/** Connections that are tried at once, under one deadline. */
export class ProbeRound {
  /** Readable where something is to be read. */
  readonly epoll = new Epoll();
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
      } else bindInTurn(fd, target.netnsFd, target.address.includes(":") ? 6 : 4);
      this.open.set(fd, { target, fd, startedAt });
      if (calls.connect(fd, name, name.length) < 0 && lastErrno() !== EINPROGRESS) return this.fail(fd, lastErrno());
      if (target.protocol === "udp") {
        if (sendDatagram(fd, target.port) < 0) return this.fail(fd, lastErrno());
      }
      this.epoll.add(fd, target.protocol === "tcp" ? EPOLLOUT : EPOLLIN);
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
    const retransmits = outcome === "answered" ? retransmitsOf(probe) : 0;
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

  /** Waits for answers until none is open or the deadline has passed; both times in performance.now() milliseconds. */
  wait(deadline: number, resendUdpAt: number, dropped: DropLookup | undefined): void {
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
