import { calls, check, lastErrno } from "./libc.ts";

export const POLLOUT = 4;
const EINTR = 4;
/** struct pollfd (poll(2)): int fd, short events, short revents. */
const POLLFD_BYTES = 8;

/** poll(2) for descriptors that are looked at once: one call for all of them, where epoll(7) needs one more for each. */
export class Poll {
  private readonly list: Buffer;

  /** `most`: descriptors a look. */
  constructor(most: number) {
    this.list = Buffer.alloc(POLLFD_BYTES * most);
  }

  /** What is there now of each descriptor, in their order, as poll's `revents`: 0 is nothing. */
  now(fds: readonly number[], events: number): number[] {
    fds.forEach((fd, index) => {
      this.list.writeInt32LE(fd, index * POLLFD_BYTES);
      this.list.writeUInt32LE(events, index * POLLFD_BYTES + 4);
    });
    const result = calls.poll(this.list, fds.length, 0);
    if (result < 0 && lastErrno() === EINTR) return fds.map(() => 0);
    check("poll", result);
    return fds.map((_, index) => this.list.readUInt16LE(index * POLLFD_BYTES + 6));
  }
}
