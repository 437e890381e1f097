import { calls, check, lastErrno } from "./libc.ts";

export const EPOLLIN = 1;
export const EPOLLOUT = 4;
const EPOLL_CTL_ADD = 1;
const EPOLL_CLOEXEC = 0o2000000;
const EINTR = 4;
const EVENTS_A_WAIT = 512;
/** struct epoll_event is packed on x86-64 only (epoll_ctl(2)). */
const EVENT_BYTES = process.arch === "x64" ? 12 : 16;
const EVENT_DATA = EVENT_BYTES - 8;

/** An epoll(7) instance. It is itself a descriptor that another can wait for. */
export class Epoll {
  readonly fd = check("epoll_create1", calls.epoll_create1(EPOLL_CLOEXEC));
  private readonly events = Buffer.alloc(EVENT_BYTES * EVENTS_A_WAIT);

  /** Until the descriptor is closed. `events` is EPOLLIN or EPOLLOUT. */
  add(fd: number, events: number): void {
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeUInt32LE(events, 0);
    event.writeInt32LE(fd, EVENT_DATA);
    check("epoll_ctl", calls.epoll_ctl(this.fd, EPOLL_CTL_ADD, fd, event));
  }

  /** Descriptors that are ready, at most 512, within so many milliseconds; blocks the thread. */
  wait(timeoutMs: number): number[] {
    const result = calls.epoll_wait(this.fd, this.events, EVENTS_A_WAIT, timeoutMs);
    // A process that was stopped and goes on (SIGCONT) sees its waits interrupted (signal(7)).
    const ready = result < 0 && lastErrno() === EINTR ? 0 : check("epoll_wait", result);
    return Array.from({ length: ready }, (_, index) => this.events.readInt32LE(index * EVENT_BYTES + EVENT_DATA));
  }

  close(): void {
    calls.close(this.fd);
  }
}
