import { expect, test } from "vitest";
import { Slots } from "../../../../src/exec/ssh/slots.ts";

test("no more than the limit at a time, in the order of asking", async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  const first = await slots.take();
  const second = await slots.take();
  const waiting = [1, 2].map((index) => slots.take().then((give) => (order.push(index), give)));
  await Promise.resolve();
  expect(order).toEqual([]);
  first();
  // Twice is once.
  first();
  const give = await waiting[0];
  expect({ order, inUse: slots.inUse }).toEqual({ order: [1], inUse: 2 });
  give?.();
  await waiting[1];
  second();
  expect(slots.inUse).toBe(1);
});

test("an abort and a refusal end the waiting", async () => {
  const slots = new Slots(1);
  await slots.take();
  const abort = new AbortController();
  const aborted = slots.take(abort.signal);
  const refused = slots.take();
  abort.abort(new Error("enough"));
  slots.refuse(new Error("lost"));
  await expect(aborted).rejects.toThrow("enough");
  await expect(refused).rejects.toThrow("lost");
});

test("a lower limit holds for those who come, not for those who are there", async () => {
  const slots = new Slots(3);
  const gives = [await slots.take(), await slots.take()];
  slots.lower(1);
  let got = false;
  const third = slots.take().then(() => (got = true));
  gives[0]?.();
  await Promise.resolve();
  expect(got).toBe(false);
  gives[1]?.();
  await third;
  expect(slots.inUse).toBe(1);
});
