import { expect, test } from "vitest";
import { Answers, askOnTerminal } from "../../../../src/exec/ssh/answers.ts";
import type { Question } from "../../../../src/exec/ssh/types.ts";

const question: Question = { kind: "password", text: "Password\u001b[2J: ", echo: false };

test("many who ask the same at once get one answer, and a wrong one is forgotten", async () => {
  const asked: Question[] = [];
  const answers = new Answers((each) => {
    asked.push(each);
    return Promise.resolve(`answer ${asked.length}`);
  });
  expect(await Promise.all([answers.askOnce("a", question), answers.askOnce("a", question)])).toEqual([
    "answer 1",
    "answer 1",
  ]);
  answers.forget("a");
  expect(await answers.askOnce("a", question)).toBe("answer 2");
  // What a server wrote into a question cannot move the cursor.
  expect(asked[0]?.text).toBe("Password\\x1b[2J: ");
});

test("one question at a time", async () => {
  let open = 0;
  const answers = new Answers(async () => {
    expect(++open).toBe(1);
    await Promise.resolve();
    open--;
    return "yes";
  });
  await Promise.all([answers.askAnew(question), answers.askAnew(question), answers.askOnce("b", question)]);
  expect(open).toBe(0);
});

test("without a terminal nothing is asked", () => {
  // A worker of the test runner has none.
  expect(askOnTerminal()).toBeUndefined();
  expect(new Answers(undefined).canAsk).toBe(false);
});
