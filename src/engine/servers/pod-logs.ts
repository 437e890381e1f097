import { AccessLog, type LogPart } from "./access-log.ts";

/** A container that is started, and what its process says before it ends by itself. */
export interface StartedContainer {
  name: string;
  lastWords?: string;
}

/** The logs of one pod's containers: of each its run and the one before. */
export class PodLogs {
  private readonly current = new Map<string, AccessLog>();
  private readonly previous = new Map<string, AccessLog>();

  /** A run of each begins; the one that was is the previous one. */
  begin(containers: readonly StartedContainer[]): void {
    for (const { name, lastWords } of containers) {
      const before = this.current.get(name);
      before?.end();
      if (before !== undefined) this.previous.set(name, before);
      const log = new AccessLog();
      this.current.set(name, log);
      if (lastWords === undefined) continue;
      log.add(lastWords);
      log.end();
    }
  }

  of(container: string): AccessLog {
    const log = this.current.get(container) ?? new AccessLog();
    this.current.set(container, log);
    return log;
  }

  end(isMeant: (container: string) => boolean): void {
    for (const [container, log] of this.current) if (isMeant(container)) log.end();
  }

  /** Of one container, or of all one after the other; undefined for one that has not run. */
  read(container: string | undefined, isPrevious = false): LogPart | undefined {
    const logs = isPrevious ? this.previous : this.current;
    if (container !== undefined) return logs.get(container)?.read();
    return { lines: [...logs.values()].flatMap((log) => log.read().lines), isOver: false };
  }
}
