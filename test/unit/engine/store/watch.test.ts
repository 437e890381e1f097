import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { StoreEvent } from "../../../../src/engine/store/history.ts";
import { ObjectStore } from "../../../../src/engine/store/store.ts";
import { streamEvents } from "../../../../src/engine/store/stream.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { configMap, namespace } from "./objects.ts";

const ref = { kind: "ConfigMap", namespace: "default", name: "a" };
let store: ObjectStore;

beforeEach(() => {
  store = new ObjectStore();
  store.create(namespace("default"));
});

async function told(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("watching", () => {
  it("replays what followed a version, then goes on live, in order and in batches", async () => {
    const { version } = store;
    store.create(configMap("a"));
    const seen: string[][] = [];
    store.watch({ kinds: ["ConfigMap"], fromVersion: version }, (events) =>
      seen.push(events.map(({ type, object }) => `${type} ${object.metadata.name}`)),
    );
    await told();
    store.update(configMap("a", { key: "1" }));
    store.create(namespace("other"));
    store.delete(ref);
    expect(seen).toEqual([["ADDED a"]]);
    await told();
    expect(seen).toEqual([["ADDED a"], ["MODIFIED a", "DELETED a"]]);
  });

  it("gives the state before a change, and a deletion its own version", async () => {
    store.create(configMap("a", { key: "1" }));
    const seen: StoreEvent[] = [];
    store.watch({}, (events) => seen.push(...events));
    store.update(configMap("a", { key: "2" }));
    store.delete(ref);
    await told();
    expect(
      seen.map(({ previous, object }) => [previous?.["data"], object["data"], object.metadata.resourceVersion]),
    ).toEqual([
      [{ key: "1" }, { key: "2" }, "3"],
      [{ key: "2" }, { key: "2" }, "4"],
    ]);
  });

  it("refuses a version whose successors are forgotten", async () => {
    const small = new ObjectStore({ historyLimit: 2 });
    small.create(namespace("default"));
    for (let count = 0; count < 20; count += 1) small.create(configMap(`c${count}`));
    await told();
    expect(() => small.watch({ fromVersion: 1 }, () => undefined)).toThrow(
      expect.objectContaining({ code: "STORE_TOO_OLD" }),
    );
    expect(() => small.eventsSince(small.version - 2)).not.toThrow();
  });

  it("forgets nothing that a live watcher has not been told yet", async () => {
    const small = new ObjectStore({ historyLimit: 1 });
    small.create(namespace("default"));
    let count = 0;
    small.watch({ kinds: ["ConfigMap"] }, (events) => (count += events.length));
    for (let index = 0; index < 500; index += 1) small.create(configMap(`c${index}`));
    await told();
    expect(count).toBe(500);
  });

  it("streams to a reader at its own pace, and tells one that fell behind", async () => {
    const small = new ObjectStore({ historyLimit: 2 });
    small.create(namespace("default"));
    const abort = new AbortController();
    const stream = streamEvents(small, { kinds: ["ConfigMap"] }, abort.signal);
    const first = stream.next();
    small.create(configMap("a"));
    expect((await first).value).toMatchObject({
      version: small.version,
      events: [{ type: "ADDED", object: { metadata: { name: "a" } } }],
    });
    for (let index = 0; index < 20; index += 1) small.create(configMap(`c${index}`));
    await told();
    await expect(stream.next()).rejects.toMatchObject({ code: "STORE_TOO_OLD" });
  });

  it("ends a stream when it is aborted", async () => {
    const abort = new AbortController();
    const stream = streamEvents(store, {}, abort.signal);
    const next = stream.next();
    abort.abort();
    expect((await next).done).toBe(true);
  });
});

describe("laws", () => {
  const name = fc.constantFrom("a", "b", "c");
  const write = fc.oneof(
    fc.record({ verb: fc.constant("create"), name, value: fc.string() }),
    fc.record({ verb: fc.constant("update"), name, value: fc.string() }),
    fc.record({ verb: fc.constant("delete"), name, value: fc.string() }),
    fc.record({ verb: fc.constant("fail"), name, value: fc.string() }),
  );

  const act = (subject: ObjectStore, verb: string, target: KubeObject): void => {
    if (verb === "create") subject.create(target);
    else if (verb === "update") subject.update(target);
    else if (verb === "delete") subject.delete({ ...ref, name: target.metadata.name });
    else {
      subject.transaction(() => {
        subject.create({ ...target, metadata: { ...target.metadata, name: `${target.metadata.name}-x` } });
        throw new Error("refused");
      });
    }
  };

  /** The code or message of what it throws; empty where it does not. */
  const attempt = (work: () => void): string => {
    try {
      work();
      return "";
    } catch (error) {
      return (error as { code?: string }).code ?? (error as Error).message;
    }
  };

  it("a watcher from the start can rebuild the store from the events alone, and versions have no gaps", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 40 }), async (writes) => {
        const subject = new ObjectStore();
        subject.create(namespace("default"));
        const mirror = new Map<string, unknown>();
        const versions: number[] = [];
        subject.watch({ kinds: ["ConfigMap"], fromVersion: 0 }, (events) => {
          for (const { type, object, version } of events) {
            versions.push(version);
            if (type === "DELETED") mirror.delete(object.metadata.name);
            else mirror.set(object.metadata.name, object);
          }
        });
        for (const step of writes) {
          const target = configMap(step.name, { value: step.value });
          expect(attempt(() => act(subject, step.verb, target))).toMatch(/^(|OBJECT_EXISTS|OBJECT_NOT_FOUND|refused)$/);
        }
        await told();
        expect(Object.fromEntries(mirror)).toEqual(
          Object.fromEntries(subject.all({ kind: "ConfigMap" }).map((object) => [object.metadata.name, object])),
        );
        expect(versions).toEqual(versions.map((_version, index) => index + 2));
      }),
      { numRuns: 100 },
    );
  });
});
