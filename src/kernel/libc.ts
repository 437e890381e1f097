import koffi from "koffi";

/** glibc's and musl's names for the C library on Linux. */
function openLibc(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load("libc.so.6");
  } catch (cause) {
    const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
    try {
      return koffi.load(`libc.musl-${machine}.so.1`);
    } catch {
      throw cause;
    }
  }
}

const libc = openLibc();

/** Flags of mount(2). */
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;

koffi.struct("iovec", { base: "const void *", length: "uint64_t" });
const writev = libc.func("int64_t writev(int fd, const iovec *parts, int count)") as unknown as {
  async(
    fd: number,
    parts: readonly { base: Uint8Array; length: number }[],
    count: number,
    done: (error: Error | null, result: number) => void,
  ): void;
};

/**
 * writev(2) on a thread of libuv's pool: one message where `fd` is a socket of messages. The parts must stay as they are until then.
 * Rejects with {@link SystemCallError}.
 */
export function writeAside(fd: number, parts: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const vector = parts.map((base) => ({ base, length: base.length }));
    writev.async(fd, vector, vector.length, (error, result) => {
      // Keeps the parts from the garbage collector, which does not know that the kernel reads them.
      void vector;
      if (error !== null) reject(error);
      else if (result < 0) reject(new SystemCallError("writev", lastErrno()));
      else resolve(result);
    });
  });
}

const pollOnPool = libc.func("int poll(_Inout_ void *fds, unsigned long count, int timeoutMs)") as unknown as {
  async(fds: Uint8Array, count: number, timeoutMs: number, done: (error: Error | null, result: number) => void): void;
};
const EINTR = 4;
const POLLIN = 1;

/** Resolves when a descriptor can be read; one thread of libuv's pool waits until then. Rejects with {@link SystemCallError}. */
export function readableAside(fd: number): Promise<void> {
  const asked = Buffer.alloc(8);
  asked.writeInt32LE(fd, 0);
  asked.writeInt16LE(POLLIN, 4);
  return new Promise((resolve, reject) => {
    const wait = (): void =>
      pollOnPool.async(asked, 1, -1, (error, result) => {
        const errno = result < 0 ? lastErrno() : 0;
        if (error !== null) reject(error);
        else if (errno === EINTR) wait();
        else if (errno !== 0) reject(new SystemCallError("poll", errno));
        else resolve();
      });
    wait();
  });
}

/** Raw calls; each returns -1 and sets errno on failure. See the man page (section 2) of each name. */
export const calls = {
  unshare: libc.func("int unshare(int flags)") as (flags: number) => number,
  setns: libc.func("int setns(int fd, int nstype)") as (fd: number, nstype: number) => number,
  socket: libc.func("int socket(int domain, int type, int protocol)") as (
    domain: number,
    type: number,
    protocol: number,
  ) => number,
  bind: libc.func("int bind(int fd, const void *address, uint32_t length)") as (
    fd: number,
    address: Uint8Array,
    length: number,
  ) => number,
  connect: libc.func("int connect(int fd, const void *address, uint32_t length)") as (
    fd: number,
    address: Uint8Array,
    length: number,
  ) => number,
  listen: libc.func("int listen(int fd, int backlog)") as (fd: number, backlog: number) => number,
  send: libc.func("int64_t send(int fd, const void *data, uint64_t length, int flags)") as (
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
  ) => number,
  sendto: libc.func(
    "int64_t sendto(int fd, const void *data, uint64_t length, int flags, const void *address, uint32_t addressLength)",
  ) as (
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ) => number,
  recv: libc.func("int64_t recv(int fd, _Out_ void *data, uint64_t length, int flags)") as (
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
  ) => number,
  recvfrom: libc.func(
    "int64_t recvfrom(int fd, _Out_ void *data, uint64_t length, int flags, _Out_ void *address, _Inout_ uint32_t *addressLength)",
  ) as (
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: [number],
  ) => number,
  setsockopt: libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)") as (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: number,
  ) => number,
  getsockopt: libc.func("int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)") as (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: [number],
  ) => number,
  getsockname: libc.func("int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)") as (
    fd: number,
    address: Uint8Array,
    length: [number],
  ) => number,
  eventfd: libc.func("int eventfd(unsigned int value, int flags)") as (value: number, flags: number) => number,
  epoll_create1: libc.func("int epoll_create1(int flags)") as (flags: number) => number,
  epoll_ctl: libc.func("int epoll_ctl(int epfd, int op, int fd, const void *event)") as (
    epfd: number,
    op: number,
    fd: number,
    event: Uint8Array,
  ) => number,
  epoll_wait: libc.func("int epoll_wait(int epfd, _Out_ void *events, int maxEvents, int timeoutMs)") as (
    epfd: number,
    events: Uint8Array,
    maxEvents: number,
    timeoutMs: number,
  ) => number,
  poll: libc.func("int poll(_Inout_ void *fds, unsigned long count, int timeoutMs)") as (
    fds: Uint8Array,
    count: number,
    timeoutMs: number,
  ) => number,
  mount: libc.func(
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
  ) as (source: string, target: string, type: string, flags: number, data: string) => number,
  close: libc.func("int close(int fd)") as (fd: number) => number,
  fcntl: libc.func("int fcntl(int fd, int command, int argument)") as (
    fd: number,
    command: number,
    argument: number,
  ) => number,
  /** ioctl(2) with a pointer, and with a number, for its last argument. */
  ioctl: libc.func("int ioctl(int fd, unsigned long request, const void *argument)") as (
    fd: number,
    request: number,
    argument: Uint8Array,
  ) => number,
  ioctlNumber: libc.func("int ioctl(int fd, unsigned long request, int argument)") as (
    fd: number,
    request: number,
    argument: number,
  ) => number,
  flock: libc.func("int flock(int fd, int operation)") as (fd: number, operation: number) => number,
  waitpid: libc.func("int waitpid(int pid, _Out_ int *status, int options)") as (
    pid: number,
    status: [number],
    options: number,
  ) => number,
  _exit: libc.func("void _exit(int status)") as (status: number) => void,
} as const;

const errnoNames = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number as number, name]));

/** The name ("ECONNREFUSED") of an errno number. */
export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`;
}

/** A failed system call: `errno` is its number, `code` its name. */
export class SystemCallError extends Error {
  readonly errno: number;
  readonly code: string;

  constructor(call: string, errno: number, detail?: string) {
    super(`${call}: ${errnoName(errno)}${detail === undefined ? "" : ` (${detail})`}`);
    this.name = "SystemCallError";
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

/** Passes a call's result on, or throws {@link SystemCallError} where it is negative. Call it at once: errno is the thread's last. */
export function check(call: string, result: number, detail?: string): number {
  if (result < 0) throw new SystemCallError(call, koffi.errno(), detail);
  return result;
}

/** errno of the last failed call on this thread. */
export function lastErrno(): number {
  return koffi.errno();
}

/** The same number on every architecture (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h). */
const SYS_OPENAT2 = 437;
const O_PATH_DIRECTORY_CLOEXEC = 0o12200000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;

const syscallOpenat2 = libc.func(
  "long syscall(long number, int folder, const char *path, const void *how, size_t size)",
) as (number: number, folder: number, path: string, how: Uint8Array, size: number) => number;
const openFolder = libc.func("int open(const char *path, int flags)") as (path: string, flags: number) => number;

/** openat2(2) read-only of `path` with `root` as the root of all its links; -1 and errno on failure. Linux 5.6. */
export function openIn(root: string, path: string, flags: number): number {
  const folder = check("open", openFolder(root, O_PATH_DIRECTORY_CLOEXEC), root);
  try {
    const how = Buffer.alloc(24);
    how.writeBigUInt64LE(BigInt(flags), 0);
    how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16);
    return syscallOpenat2(SYS_OPENAT2, folder, path, how, how.length);
  } finally {
    // Keeps errno for the caller: a close of a good descriptor does not set it.
    calls.close(folder);
  }
}
