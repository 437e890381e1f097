import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { configMap, namespace } from "../../unit/engine/store/objects.ts";
import { ApiUnderTest, eventsOf, type WatchEvent } from "./api-client.ts";

let api: ApiUnderTest;

beforeAll(async () => {
  api = await new ApiUnderTest().start();
});

afterAll(() => api.close());

const path = (where: string, query = ""): string => `/api/v1/namespaces/${where}/configmaps?watch=true${query}`;

async function take(events: AsyncGenerator<WatchEvent, void>, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const { value, done } = await events.next();
    if (done === true || value === undefined) break;
    taken.push(`${value.type} ${value.object.metadata.name}`);
  }
  return taken;
}

test("a watch tells what is there, then what changes, and what leaves a selection", async () => {
  const { store } = api.plane;
  store.create(namespace("told"));
  const labelled = (name: string, value: string): ReturnType<typeof configMap> => {
    const object = configMap(name, {}, "told");
    return { ...object, metadata: { ...object.metadata, labels: { a: value } } };
  };
  store.create(labelled("x", "1"));
  store.create(labelled("other", "2"));
  const response = await api.open("GET", path("told", "&labelSelector=a%3D1"));
  const events = eventsOf(response);
  expect(await take(events, 1)).toEqual(["ADDED x"]);
  store.update(labelled("x", "2"));
  store.update(labelled("other", "1"));
  store.delete({ kind: "ConfigMap", namespace: "told", name: "other" });
  expect(await take(events, 3)).toEqual(["DELETED x", "ADDED other", "DELETED other"]);
  response.destroy();
});

test("a list in a stream ends with its bookmark, and a watch that times out with one", async () => {
  const { store } = api.plane;
  store.create(namespace("marks"));
  store.create(configMap("x", {}, "marks"));
  const query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
  const events: WatchEvent[] = [];
  for await (const event of eventsOf(await api.open("GET", path("marks", query)))) events.push(event);
  expect(events.map(({ type }) => type)).toEqual(["ADDED", "BOOKMARK", "BOOKMARK"]);
  expect(events[1]?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
  expect(Number(events[2]?.object.metadata.resourceVersion)).toBe(store.version);
});

test("a watch from a version that is forgotten gets 410, from one that is not there yet 504", async () => {
  const { store } = api.plane;
  store.create(namespace("old"));
  const { version } = store;
  store.create(configMap("x", {}, "old"));
  for (let count = 0; count < 9000; count += 1) store.update(configMap("x", { count: String(count) }, "old"));
  await new Promise((resolve) => setImmediate(resolve));
  const events = eventsOf(await api.open("GET", path("old", `&resourceVersion=${version}`)));
  const { value } = await events.next();
  expect(value).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
  expect((await events.next()).done).toBe(true);
  const ahead = await api.call("GET", path("old", `&resourceVersion=${store.version + 1000}`));
  expect(ahead).toMatchObject({ code: 504, body: { details: { causes: [{ reason: "ResourceVersionTooLarge" }] } } });
});

test("a reader that stops is not buffered for: it is told 410 when it reads again", async () => {
  const { store } = api.plane;
  store.create(namespace("slow"));
  store.create(configMap("x", {}, "slow"));
  const response = await api.open("GET", path("slow", `&resourceVersion=${store.version}`));
  response.pause();
  const padding = "p".repeat(8000);
  const before = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 200; round += 1) {
    for (let count = 0; count < 100; count += 1)
      store.update(configMap("x", { padding, count: `${round}.${count}` }, "slow"));
    await new Promise((resolve) => setImmediate(resolve));
  }
  // 160 MB were written; what waits for the reader is a connection's buffers.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 << 20);
  let last: WatchEvent | undefined;
  for await (const event of eventsOf(response)) last = event;
  expect(last).toMatchObject({ type: "ERROR", object: { code: 410 } });
});

test("a cut watch goes on at the version that it last saw, and leaves nothing behind", async () => {
  const { store } = api.plane;
  store.create(namespace("cut"));
  const first = await api.open("GET", path("cut", `&resourceVersion=${store.version}`));
  const events = eventsOf(first);
  store.create(configMap("a", {}, "cut"));
  const { value } = await events.next();
  const seen = value?.object.metadata.resourceVersion ?? "";
  first.destroy();
  await once(first, "close");
  store.create(configMap("b", {}, "cut"));
  const second = await api.open("GET", path("cut", `&resourceVersion=${seen}`));
  expect(await take(eventsOf(second), 1)).toEqual(["ADDED b"]);
  second.destroy();
});

test("more watches than are served get 429, and free ones are served again", async () => {
  const open = await Promise.all(Array.from({ length: 500 }, () => api.open("GET", path("default"))));
  const refused = await api.call("GET", path("default"));
  expect(refused).toMatchObject({ code: 429, body: { reason: "TooManyRequests" } });
  expect(refused.headers["retry-after"]).toBe("1");
  for (const response of open) response.destroy();
  await expect
    .poll(async () => {
      const response = await api.open("GET", path("default"));
      response.destroy();
      return response.statusCode;
    })
    .toBe(200);
});

test("fifty watchers of a thousand objects lose no event and see none twice", { timeout: 60_000 }, async () => {
  const { store } = api.plane;
  store.create(namespace("many"));
  const watches = await Promise.all(
    Array.from({ length: 50 }, () => api.open("GET", path("many", `&resourceVersion=${store.version}`))),
  );
  const counted = watches.map((response) => take(eventsOf(response), 1000));
  const names = Array.from({ length: 1000 }, (_, index) => `m${index}`);
  // Through the API, over ten connections at once.
  await Promise.all(
    Array.from({ length: 10 }, async (_, lane) => {
      for (const name of names.filter((__, index) => index % 10 === lane))
        expect((await api.call("POST", "/api/v1/namespaces/many/configmaps", configMap(name, {}, "many"))).code).toBe(
          201,
        );
    }),
  );
  const all = names.map((name) => `ADDED ${name}`).toSorted();
  for (const events of await Promise.all(counted)) expect(events.toSorted()).toEqual(all);
  for (const response of watches) response.destroy();
});
