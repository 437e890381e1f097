import { readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import type { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { AgentChannel } from "../../../../../src/providers/real/agents/channel.ts";
import type { ChannelOptions } from "../../../../../src/providers/real/agents/channel.ts";
import { dockerTransport } from "../../../../../src/providers/real/agents/transport.ts";
import { AGENT_PROTOCOL } from "../../../../../src/providers/real/agents/wire.ts";
import type { WireRequest } from "../../../../../src/providers/real/agents/wire.ts";
import { duplexPair } from "./duplex-pair.ts";

interface Message {
  id: number;
  op: string;
}

/** The agent's end: says what the test has it say, and hears whole lines. */
class FakeAgent {
  readonly heard: Message[] = [];
  private readonly stream: Duplex;
  private source = "";

  constructor(stream: Duplex, onMessage: (message: Message, agent: FakeAgent) => void = () => undefined) {
    this.stream = stream;
    let rest = "";
    let length: number | undefined;
    stream.on("data", (chunk: Buffer) => {
      rest += chunk.toString("utf8");
      if (length === undefined && rest.length >= 8) {
        length = Number(rest.slice(0, 8));
        rest = rest.slice(8);
      }
      if (length !== undefined && this.source.length < length) {
        this.source += rest.slice(0, length - this.source.length);
        rest = rest.slice(this.source.length);
      }
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const message = JSON.parse(line) as Message;
        this.heard.push(message);
        onMessage(message, this);
      }
    });
  }

  get received(): string {
    return this.source;
  }

  say(text: string): void {
    this.stream.write(text);
  }

  answer(message: object): void {
    this.say(`${JSON.stringify(message)}\n`);
  }

  end(): void {
    this.stream.destroy();
  }
}

const greeting = `\n#cnilab-agent ${JSON.stringify({ protocol: AGENT_PROTOCOL })}\n`;

function connect(
  onMessage?: (message: Message, agent: FakeAgent) => void,
  options: Partial<ChannelOptions> = {},
  hello: string = greeting,
): { agent: FakeAgent; opening: Promise<AgentChannel> } {
  const [near, far] = duplexPair();
  const agent = new FakeAgent(far, onMessage);
  agent.say(hello);
  const transport = {
    input: near,
    output: near,
    complaint: () => "python3: a complaint",
    destroy: () => near.destroy(),
  };
  return { agent, opening: AgentChannel.open(transport, { where: "node a", source: "print(1)", ...options }) };
}

const run: WireRequest & { op: "run" } = { op: "run", place: { kind: "node", name: "node a" }, argv: ["true"] };

describe("AgentChannel", () => {
  test("sends the source first, whole, and takes login messages before the greeting", async () => {
    const { agent, opening } = connect(undefined, {}, `Welcome!\nlast login: never${greeting}`);
    const channel = await opening;
    expect(agent.received).toBe("print(1)");
    channel.close();
  });

  test("gives each request its own answers, in whatever order they come", async () => {
    const { opening } = connect((message, agent) => {
      if (message.op === "run") agent.answer({ id: message.id, out: "aGk=" });
      if (message.op !== "ping") return;
      agent.answer({ id: message.id, ok: {} });
      agent.answer({ id: 1, ok: { exitCode: 0 } });
    });
    const channel = await opening;
    const events: unknown[] = [];
    const first = channel.request(run, (event) => events.push(event));
    const second = channel.request({ op: "ping" });
    expect(await second.result).toEqual({});
    expect(await first.result).toEqual({ exitCode: 0 });
    expect(events).toEqual([{ id: 1, out: "aGk=" }]);
    channel.close();
  });

  test("an answer in pieces, and two in one, are read as sent", async () => {
    const { opening } = connect((message, agent) => {
      if (message.id !== 2) return;
      agent.say('{"id":1,"ok":{"exitCo');
      setImmediate(() => agent.say('de":7}}\n{"id":2,"ok":{}}\n'));
    });
    const channel = await opening;
    const first = channel.request(run);
    const second = channel.request({ op: "ping" });
    expect(await first.result).toEqual({ exitCode: 7 });
    expect(await second.result).toEqual({});
    channel.close();
  });

  test("an error of the agent keeps its code", async () => {
    const { opening } = connect((message, agent) =>
      agent.answer({ id: message.id, error: { code: "SOURCE_MISSING", message: "gone" } }),
    );
    const channel = await opening;
    await expect(channel.request(run).result).rejects.toMatchObject({ code: "SOURCE_MISSING", message: "gone" });
    channel.close();
  });

  test("an end ends every request with AGENT_LOST, and later ones at once", async () => {
    const { agent, opening } = connect();
    const channel = await opening;
    const results = [channel.request(run).result, channel.request({ op: "ping" }).result];
    agent.end();
    for (const result of results) {
      await expect(result).rejects.toMatchObject({ code: "AGENT_LOST" });
    }
    expect(channel.lost?.message).toMatch(/agent of node a is lost.*python3: a complaint/);
    await expect(channel.request(run).result).rejects.toMatchObject({ code: "AGENT_LOST" });
  });

  test.each([
    ["what is not JSON", "Traceback\n"],
    ["a message without end", "x".repeat((4 << 20) + 1)],
  ])("%s loses the agent", async (_, text) => {
    const { agent, opening } = connect();
    const channel = await opening;
    const result = channel.request(run).result;
    agent.say(text);
    await expect(result).rejects.toMatchObject({ code: "AGENT_LOST" });
  });

  test("silence loses the agent, an answered heartbeat does not", async () => {
    const fast = { heartbeatMs: 10, silenceMs: 80 };
    const silent = await connect(undefined, fast).opening;
    await expect(silent.request(run).result).rejects.toThrow(/silent for \d+ ms/);
    let beats = 0;
    const alive = await connect((message, agent) => {
      if (message.op !== "ping") return;
      beats += 1;
      agent.answer({ id: message.id, ok: {} });
      // Longer than the silence allowed.
      if (beats === 20) agent.answer({ id: 1, ok: { exitCode: 0 } });
    }, fast).opening;
    expect(await alive.request(run).result).toEqual({ exitCode: 0 });
    alive.close();
  });

  test("refuses another protocol, what never greets, and what is not an agent", async () => {
    await expect(connect(undefined, {}, '\n#cnilab-agent {"protocol": 0}\n').opening).rejects.toMatchObject({
      code: "AGENT_PROTOCOL",
    });
    await expect(connect(undefined, { greetingTimeoutMs: 20 }, "").opening).rejects.toMatchObject({
      code: "AGENT_LOST",
      message: expect.stringContaining("said nothing within 20 ms") as string,
    });
    await expect(connect(undefined, {}, "y".repeat(70_000)).opening).rejects.toThrow(/not an agent: yyy/);
  });
});

test("dockerTransport passes on standard output, however its frames are cut, and keeps standard error", async () => {
  const frame = (type: number, text: string): Buffer => {
    const header = Buffer.alloc(8);
    header.writeUInt8(type, 0);
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  const bytes = Buffer.concat([frame(1, "one "), frame(2, "oh no"), frame(1, ""), frame(1, "two")]);
  const stream = new PassThrough();
  const transport = dockerTransport(stream);
  let text = "";
  transport.output.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
  for (const byte of bytes) stream.write(Buffer.from([byte]));
  stream.end();
  await new Promise((resolve) => transport.output.once("end", resolve));
  expect(text).toBe("one two");
  expect(transport.complaint()).toBe("oh no");
});

test("the agent's source has the protocol of this program", () => {
  const source = readFileSync(new URL("../../../../../src/providers/real/agents/agent.py", import.meta.url), "utf8");
  expect(source).toMatch(new RegExp(`^PROTOCOL = ${AGENT_PROTOCOL}$`, "m"));
});
