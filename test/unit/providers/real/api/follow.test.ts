import { describe, expect, test } from "vitest";
import { LabError } from "../../../../../src/core/errors.ts";
import type { KubeObject } from "../../../../../src/kube/types.ts";
import type { Look } from "../../../../../src/providers/real/api/until.ts";
import { statusBody } from "../../../../fixtures/api-server.ts";
import { useServer } from "./use-server.ts";

const served = useServer();

const config = (name: string, data: Record<string, string> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: "shop", name },
  data,
});
const options = { timeoutMs: 5000, timeout: (gap: string) => new LabError("WAIT_TIMEOUT", gap) };
const query = [{ kind: "ConfigMap", namespace: "shop" }];
const path = "/api/v1/namespaces/shop/configmaps";

/** What is missing until all of these are there. */
const until =
  (...names: string[]): Look =>
  (objects) => {
    const missing = names.filter((name) => objects.every(({ metadata }) => metadata.name !== name));
    return missing.length === 0 ? undefined : `no ${missing.join()}`;
  };

/** Resolves when a watch is open, so that what is written then comes by it. */
const watching = (): Promise<void> => expect.poll(() => served.server.watching).toBe(1);
const lists = (): number =>
  served.server.asked.filter(
    ({ method, path: asked, query: words }) => method === "GET" && asked === path && !words.has("watch"),
  ).length;

test("lists a large collection page by page", async () => {
  for (let index = 0; index < 1001; index++) served.server.put(config(`c${index}`));
  const found = await served.api.list({ kind: "ConfigMap" });
  expect(new Set(found.map(({ metadata }) => metadata.name)).size).toBe(1001);
  expect(found[0]).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
  expect(served.server.asked.map(({ query: words }) => words.get("continue"))).toEqual([null, "500", "1000"]);
});

describe("a wait", () => {
  test("does not watch where nothing is missing", async () => {
    served.server.put(config("a"));
    const found = await served.api.until(query, until("a"), options);
    expect(found.map(({ metadata }) => metadata.name)).toEqual(["a"]);
    expect(served.server.log).toEqual([`GET ${path}`]);
  });

  test("ends with the change that it waits for", async () => {
    const found = served.api.until(query, until("a", "b"), options);
    await watching();
    served.server.put(config("a"));
    served.server.put(config("b"));
    expect((await found).map(({ metadata }) => metadata.name)).toEqual(["a", "b"]);
    expect(lists()).toBe(1);
  });

  test("sees what goes", async () => {
    const old = served.server.put(config("old"));
    const gone = served.api.until(query, (objects) => (objects.length === 0 ? undefined : "there"), options);
    await watching();
    served.server.remove(old);
    expect(await gone).toEqual([]);
  });

  test("goes on from the last version where the server ends the watch, and misses nothing", async () => {
    const found = served.api.until(query, until("a", "b"), options);
    await watching();
    served.server.put(config("a"));
    served.server.endWatches();
    served.server.put(config("b"));
    expect((await found).map(({ metadata }) => metadata.name)).toEqual(["a", "b"]);
    expect(lists()).toBe(1);
  });

  test("goes on from a bookmark's version", async () => {
    const found = served.api.until(query, until("b"), options);
    await watching();
    served.server.put(config("a"));
    const bookmark = { type: "BOOKMARK", object: { kind: "ConfigMap", metadata: { resourceVersion: "5000" } } };
    served.server.sayToWatches(`${JSON.stringify(bookmark)}\n`);
    served.server.endWatches();
    await expect.poll(() => served.server.asked.at(-1)?.query.get("resourceVersion")).toBe("5000");
    await watching();
    served.server.sayToWatches(`${JSON.stringify({ type: "ADDED", object: config("b") })}\n`);
    await found;
  });

  test.each(["an event", "a status"])("lists anew after 410 Gone, told by %s", async (how) => {
    const old = served.server.put(config("old"));
    let isFirst = true;
    served.server.intercept = ({ query: words }, response) => {
      if (how === "an event" || words.get("watch") !== "1" || !isFirst) return undefined;
      isFirst = false;
      const gone = statusBody(410, "Expired", "too old resource version");
      response.writeHead(410, { "content-type": "application/json" }).end(JSON.stringify(gone));
      return true;
    };
    const look: Look = (objects) =>
      until("new")(objects) ?? (objects.some(({ metadata }) => metadata.name === "old") ? "old is there" : undefined);
    const found = served.api.until(query, look, options);
    await watching();
    if (how === "an event") {
      const ended = [...served.server.log].length;
      // Nobody watches while this happens, and its history is forgotten.
      served.server.intercept = ({ query: words }, response) => {
        if (words.get("watch") !== "1" || served.server.log.length > ended + 1) return undefined;
        served.server.remove(old);
        served.server.put(config("new"));
        served.server.compact();
        return void response as undefined;
      };
      served.server.endWatches();
    } else {
      expect(lists()).toBe(2);
      served.server.remove(old);
      served.server.put(config("new"));
    }
    expect((await found).map(({ metadata }) => metadata.name)).toEqual(["new"]);
    expect(lists()).toBe(2);
  });

  test("outlives a server that starts anew, during the watch and during the list after 410 as well", async () => {
    const found = served.api.until(query, until("a"), options);
    await watching();
    let refusals = 0;
    let isCompacted = false;
    served.server.intercept = (_asked, response) => {
      // Watch: 503. Watch: 410. List: 503. Then all is well.
      refusals++;
      if (refusals === 2) {
        isCompacted = true;
        return undefined;
      }
      if (refusals > 3) return undefined;
      response.writeHead(503, { "content-type": "text/plain" }).end("starting");
      return true;
    };
    served.server.compact();
    served.server.endWatches();
    await expect.poll(() => refusals).toBeGreaterThan(3);
    expect(isCompacted).toBe(true);
    served.server.put(config("a"));
    await found;
  });

  test("ends with what is no passing trouble", async () => {
    const found = served.api.until(query, until("a"), options);
    await watching();
    served.server.intercept = (_asked, response) => {
      const body = JSON.stringify(statusBody(403, "Forbidden", "not yours"));
      response.writeHead(403, { "content-type": "application/json" }).end(body);
      return true;
    };
    served.server.endWatches();
    await expect(found).rejects.toMatchObject({ code: "API_FORBIDDEN", status: 403 });
  });

  test("says after its time what was missing, and what kept it from seeing", async () => {
    const late = { ...options, timeoutMs: 300 };
    await expect(served.api.until(query, until("a"), late)).rejects.toMatchObject({
      code: "WAIT_TIMEOUT",
      message: "no a",
    });
    served.server.intercept = ({ query: words }, response) => {
      if (words.get("watch") !== "1") return undefined;
      response.writeHead(503, { "content-type": "text/plain" }).end("starting");
      return true;
    };
    await expect(served.api.until(query, until("a"), late)).rejects.toThrow(/^no a \(.*answers 503: starting\)$/);
  });

  test("leaves no watch open, however it ends", async () => {
    const abort = new AbortController();
    const aborted = served.api.until(query, until("a"), { ...options, signal: abort.signal });
    await watching();
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    await expect.poll(() => served.server.watching).toBe(0);
    const done = served.api.until(query, until("a"), options);
    await watching();
    served.server.put(config("a"));
    await done;
    await expect.poll(() => served.server.watching).toBe(0);
  });
});
