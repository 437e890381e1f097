import type { AgentChannel } from "./channel.ts";

/** One agent: a channel to it, and how to end what carries it. */
export interface AgentConnection {
  channel: AgentChannel;
  /** Resolves when nothing of the agent is left. */
  close(): Promise<void>;
}

/** The agent of one node: the connection that is there, or the one being made. */
export class Peer {
  private readonly start: () => Promise<AgentConnection>;
  private connection: Promise<AgentConnection> | undefined;

  constructor(start: () => Promise<AgentConnection>) {
    this.start = start;
  }

  async channel(): Promise<AgentChannel> {
    const current = this.connection;
    if (current !== undefined) {
      const { channel, close } = await current;
      if (channel.lost === undefined) return channel;
      // Several calls may find it lost at once; one starts the next.
      if (this.connection === current) {
        const next = close().then(this.start);
        this.adopt(next);
      }
      return this.channel();
    }
    this.adopt(this.start());
    return this.channel();
  }

  private adopt(connection: Promise<AgentConnection>): void {
    this.connection = connection;
    connection.catch(() => {
      if (this.connection === connection) this.connection = undefined;
    });
  }

  async close(): Promise<void> {
    const { connection } = this;
    if (connection === undefined) return;
    const { channel, close } = await connection;
    channel.close();
    await close();
  }
}
