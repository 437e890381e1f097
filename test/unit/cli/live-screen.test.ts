import { EventEmitter } from "node:events";
import { expect, test, vi } from "vitest";
import { openScreen } from "../../../src/cli/live-screen.ts";

type Terminal = Parameters<typeof openScreen>[0];

class FakeKeyboard extends EventEmitter {
  readonly isTTY: boolean;
  readonly calls: string[] = [];

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  setRawMode(isRaw: boolean): void {
    this.calls.push(`raw ${isRaw}`);
  }

  pause(): void {
    this.calls.push("pause");
  }
}

class FakeDisplay extends EventEmitter {
  readonly columns = 20;
  readonly rows = 5;
  text = "";

  write(part: string): void {
    this.text += part;
  }
}

function open(isTTY: boolean) {
  const [stdin, stdout] = [new FakeKeyboard(isTTY), new FakeDisplay()];
  return { stdin, stdout, screen: openScreen({ stdin, stdout } as unknown as Terminal) };
}

test("the terminal is taken over, drawn on without clearing it first, and given back once", () => {
  const exits = process.listenerCount("exit");
  const { stdin, stdout, screen } = open(true);
  expect(process.listenerCount("exit")).toBe(exits + 1);
  expect(stdout.text).toBe("\u001b[?1049h\u001b[?25l");
  stdout.text = "";
  screen.draw(["one", "two"]);
  expect(stdout.text).toBe("\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J");
  expect(screen.size()).toEqual({ width: 20, height: 5 });
  stdout.text = "";
  screen.close();
  screen.close();
  screen.draw(["too late"]);
  expect(stdout.text).toBe("\u001b[?25h\u001b[?1049l");
  expect(stdin.calls).toEqual(["raw true", "raw false", "pause"]);
  expect([stdin.listenerCount("data"), process.listenerCount("exit")]).toEqual([0, exits]);
});

test("each key is told to all who listen, and Ctrl-C is the signal that it is elsewhere", () => {
  const { stdin, screen } = open(true);
  const keys: string[] = [];
  const kill = vi.spyOn(process, "kill").mockReturnValue(true);
  try {
    screen.onKey((key) => void keys.push(key));
    stdin.emit("data", Buffer.from("g\u0003q"));
    expect(keys).toEqual(["g", "q"]);
    expect(kill.mock.calls).toEqual([[process.pid, "SIGINT"]]);
  } finally {
    kill.mockRestore();
    screen.close();
  }
});

test("without a keyboard nothing is read", () => {
  const { stdin, screen } = open(false);
  expect([screen.hasKeys, stdin.calls, stdin.listenerCount("data")]).toEqual([false, [], 0]);
  screen.close();
  expect(stdin.calls).toEqual([]);
});

test("a change of the terminal's size is told", () => {
  const { stdout, screen } = open(false);
  let resized = 0;
  screen.onResize(() => void (resized += 1));
  stdout.emit("resize");
  expect(resized).toBe(1);
  screen.close();
});
