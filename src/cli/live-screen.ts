/** A terminal that is drawn over and over, with a keyboard where there is one. */
export interface LiveScreen {
  /** Columns and rows, as they are now. */
  size(): { width: number; height: number };
  /** Replaces what is shown; as many lines as there are rows at most. */
  draw(lines: readonly string[]): void;
  onResize(listen: () => void): void;
  /** Whether keys can be read at all. */
  readonly hasKeys: boolean;
  onKey(listen: (key: string) => void): void;
  /** Gives the terminal back as it was. Idempotent. */
  close(): void;
}

/** xterm's alternate screen (ctlseqs: 1049) without cursor: what was on the terminal is there again afterwards. */
const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";

/** Takes over the terminal; it is given back at the latest when the process exits. */
export function openScreen({ stdin, stdout }: Pick<NodeJS.Process, "stdin" | "stdout">): LiveScreen {
  const hasKeys = stdin.isTTY === true;
  const keyListeners: ((key: string) => void)[] = [];
  const onData = (chunk: Buffer): void => {
    for (const key of chunk.toString("latin1")) {
      // Raw mode takes the signal away from Ctrl-C; everybody else expects it.
      if (key === "\x03") process.kill(process.pid, "SIGINT");
      else for (const listen of keyListeners) listen(key);
    }
  };
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    if (hasKeys) {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
    }
    stdout.write(leave);
    process.off("exit", close);
  };
  process.once("exit", close);
  if (hasKeys) {
    stdin.setRawMode(true);
    stdin.on("data", onData);
  }
  stdout.write(enter);
  return {
    size: () => ({ width: stdout.columns, height: stdout.rows }),
    draw: (lines) => {
      if (isOpen) stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
    },
    onResize: (listen) => void stdout.on("resize", listen),
    hasKeys,
    onKey: (listen) => void keyListeners.push(listen),
    close,
  };
}
