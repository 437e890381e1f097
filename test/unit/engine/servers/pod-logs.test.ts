import { expect, test } from "vitest";
import { accessLine } from "../../../../src/engine/servers/access-line.ts";
import { PodLogs } from "../../../../src/engine/servers/pod-logs.ts";

const texts = (part: { lines: { text: string }[] } | undefined): string[] | undefined =>
  part?.lines.map(({ text }) => text);

test("a container has the log of its run and of the one before", () => {
  const logs = new PodLogs();
  logs.begin([{ name: "a" }, { name: "b", lastWords: "no such file" }]);
  logs.of("a").add("first run");
  expect(logs.read("a", true)).toBeUndefined();
  expect(logs.read("nosuch")).toBeUndefined();
  expect(logs.read("b")).toMatchObject({ isOver: true, lines: [{ number: 1, text: "no such file" }] });
  logs.begin([{ name: "a" }]);
  logs.of("a").add("second run");
  expect(texts(logs.read("a"))).toEqual(["second run"]);
  expect(texts(logs.read("a", true))).toEqual(["first run"]);
  expect(logs.read("a", true)?.isOver).toBe(true);
  expect(texts(logs.read(undefined))).toEqual(["second run", "no such file"]);
});

test("who follows a log gets lines as they come, its end, and leaves when he wants to", async () => {
  const logs = new PodLogs();
  logs.begin([{ name: "a" }]);
  const log = logs.of("a");
  const stay = new AbortController().signal;
  const coming = log.next(0, stay);
  log.add("one\u001b[2J");
  expect(await coming).toMatchObject({ lines: [{ number: 1, text: "one?[2J" }], isOver: false });
  const ending = log.next(1, stay);
  logs.end((container) => container === "a");
  expect(await ending).toEqual({ lines: [], isOver: true });
  const other = new PodLogs().of("b");
  const leave = new AbortController();
  const left = other.next(0, leave.signal);
  leave.abort();
  expect(await left).toEqual({ lines: [], isOver: false });
});

test("a request is one line of the combined format, whatever is in its headers", () => {
  const asked = {
    method: "GET",
    target: "/a?b=c",
    path: "/a",
    query: new URLSearchParams("b=c"),
    headers: { "user-agent": 'a "browser"', "x-forwarded-for": ["10.0.0.1", "10.0.0.2"] },
    headerLines: [],
    remoteAddress: "10.0.0.9",
    remotePort: 4000,
    nowMs: Date.UTC(2026, 10, 3, 4, 5, 6),
  };
  expect(accessLine(asked, "1.1", 200, 615)).toBe(
    String.raw`10.0.0.9 - - [03/Nov/2026:04:05:06 +0000] "GET /a?b=c HTTP/1.1" 200 615 "-" "a \x22browser\x22" "10.0.0.1, 10.0.0.2"`,
  );
});
