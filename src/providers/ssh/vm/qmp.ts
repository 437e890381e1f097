import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { asError } from "../../../core/as-error.ts";
import { LabError } from "../../../core/errors.ts";

/** The control socket of a virtual machine, in its folder. */
export const QMP_SOCKET = "qmp.sock";

const ANSWER_MS = 10_000;

export interface QmpCommand {
  execute: string;
  arguments?: Readonly<Record<string, unknown>>;
}

/**
 * Asks a virtual machine by the QEMU Machine Protocol (qemu.org, QMP specification): a command and its answer. Undefined where nobody
 * listens. Rejects with VM_CONTROL where it refuses or does not answer.
 */
export async function askQmp(folder: string, command: QmpCommand): Promise<unknown> {
  // A socket's path has 107 bytes at most (unix(7)); a lab's folder may be longer.
  const fd = openSync(folder, "r");
  try {
    const socket = createConnection(`/proc/self/fd/${fd}/${QMP_SOCKET}`);
    try {
      await once(socket, "connect");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ECONNREFUSED") return undefined;
      throw error;
    }
    try {
      return await converse(socket, command);
    } catch (error) {
      if (error instanceof LabError) throw error;
      throw refused(command, asError(error).message);
    } finally {
      socket.destroy();
    }
  } finally {
    closeSync(fd);
  }
}

async function converse(socket: Socket, command: QmpCommand): Promise<unknown> {
  socket.setTimeout(ANSWER_MS, () => socket.destroy());
  // What the connection ends with is told by reading from it.
  socket.on("error", () => undefined);
  const send = (what: QmpCommand): boolean => socket.write(`${JSON.stringify(what)}\n`);
  let returned = 0;
  for await (const line of createInterface({ input: socket })) {
    const said = JSON.parse(line) as { QMP?: unknown; return?: unknown; error?: { desc?: string } };
    if (said.error !== undefined) throw refused(command, said.error.desc);
    if (said.QMP !== undefined) send({ execute: "qmp_capabilities" });
    else if (said.return !== undefined) {
      returned += 1;
      if (returned === 2) return said.return;
      send(command);
    }
  }
  throw refused(command, "it ended the connection, or did not answer");
}

function refused({ execute }: QmpCommand, reason = "no reason is given"): LabError {
  return new LabError("VM_CONTROL", `QEMU does not carry out ${execute}: ${reason}`);
}
