import { expect, it } from "vitest";
import { recordEvent } from "../../../src/engine/event-recorder.ts";
import { ObjectStore } from "../../../src/engine/store/store.ts";
import { HandClock } from "./hand-clock.ts";
import { pod } from "./store/objects.ts";

it("names the object by its uid, and takes one made anew under its name for another", () => {
  const clock = new HandClock();
  const store = new ObjectStore({ clock });
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  const about = { kind: "Pod", namespace: "default", name: "db-0" };
  const first = store.create(pod("db-0"));
  recordEvent(store, clock, about, "BackOff", "again");
  recordEvent(store, clock, about, "BackOff", "again");
  store.delete(about, { gracePeriodSeconds: 0 });
  const second = store.create(pod("db-0"));
  recordEvent(store, clock, about, "BackOff", "again");
  expect(store.all({ kind: "Event" }).map(({ involvedObject, count }) => ({ involvedObject, count }))).toEqual([
    { involvedObject: { ...about, apiVersion: "v1", uid: first.metadata.uid }, count: 2 },
    { involvedObject: { ...about, apiVersion: "v1", uid: second.metadata.uid }, count: 1 },
  ]);
});
