import { describe, expect, test } from "vitest";
import { renderJunit } from "../../../src/report/junit.ts";
import { renderTerminal } from "../../../src/report/terminal.ts";
import type { Report } from "../../../src/report/types.ts";
import { cell, matrix, observation, probe, report } from "./sample-report.ts";

const plain = { colour: false, width: 100 };
const nine = ["web-1", "web-2", "web-3", "api-1", "api-2", "api-3", "db-0", "cache-1", "visitor"].map(
  (pod) => `shop/${pod}`,
);

function matches(name: string, given: Report, options = plain): Promise<void> {
  return expect(renderTerminal(given, options)).toMatchFileSnapshot(`expected/${name}.txt`);
}

const leak = probe(
  "the cache does not reach the database",
  [
    cell("shop/cache-1", "shop/db-0", "fail", {
      expected: "blocked",
      observation: observation("allowed", "connected", {
        tries: 2,
        evidence: [
          {
            kind: "tool-output",
            command: "curl -sv telnet://10.1.0.7:5432",
            text: "* Connected to 10.1.0.7\n* Closing",
          },
          { kind: "note", text: "one line without a command" },
        ],
      }),
      reason: "expected blocked, observed allowed, 2 tries: connected",
      why: {
        allowed: false,
        lines: ["ingress of shop/db-0: isolated by shop/db; no rule allows shop/cache-1:5432/TCP"],
        spans: [{ file: "labs/shop/solution/db.yaml", line: 4, column: 3, length: 2, lineText: "  db" }],
      },
    }),
  ],
  { expectText: "blocked", points: 5, possible: 5, hint: "Which label does the policy select?" },
);

const deaf = {
  name: "listener",
  text: "nothing listens on port 5432/TCP of shop/db",
  fact: "shop/db listens on \u001b[2J",
} as const;

describe("a report for the terminal", () => {
  test("says of probes of a fault's time when they ran, and every try after it", () => {
    const tries = [
      { atMs: 1200, verdict: "fail", reason: "expected allowed, observed dropped: no answer" },
      { atMs: 2100, verdict: "pass", reason: "allowed as expected" },
    ] as const;
    const recovery = { withinMs: 5000, tookMs: 2100, tries: [...tries] };
    const text = renderTerminal(
      report([
        probe(
          "closed",
          [
            cell("shop/web-1", "shop/db-0", "inconclusive", {
              expected: "blocked",
              withoutFault: { outcome: "dropped", reason: "no answer", tries: 1, at: "2026-01-01T00:00:00.000Z" },
            }),
          ],
          { phase: { when: "during", fault: "cut" } },
        ),
        probe("open again", [cell("shop/web-1", "shop/db-0", "pass")], {
          phase: { when: "after", fault: "cut" },
          recovery,
        }),
        probe("there by now", [cell("shop/web-1", "shop/db-0", "pass")], { recovery }),
        probe("late", [cell("shop/web-1", "shop/db-0", "fail")], { phase: { when: "after", fault: "cut" }, recovery }),
      ]),
      plain,
    );
    expect(text).toContain("? closed  during cut  expect");
    expect(text).toContain("without the fault: dropped: no answer\n");
    expect(text).toContain(
      "✓ open again  after cut  expect allowed  allowed: connected  recovered after 2.10 s, 2 tries, within 5.00 s\n",
    );
    expect(text).toContain(
      "✓ there by now  expect allowed  allowed: connected  as expected after 2.10 s, 2 tries, within 5.00 s\n",
    );
    expect(text).toContain("try 1, 1.20 s after the restore: expected allowed, observed dropped: no answer\n");
  });

  test("keeps the line breaks of a task's text", () => {
    const given = report([probe("one", [cell("shop/web-1", "shop/db-0", "pass")])]);
    given.grade.tasks = [
      {
        name: "task-1",
        text: "First line\nsecond line\n",
        verdict: "pass",
        earned: 5,
        possible: 5,
        probes: [],
        voidedBy: [],
      },
    ];
    expect(renderTerminal(given, plain)).toContain("✓ First line\n  second line  5/5 points\n");
  });

  test("shows results, a matrix, tasks and the times", async () => {
    const given = report([
      probe("the web tier reaches the database", [cell("shop/web-1", "shop/db-0", "pass")], { role: "guard" }),
      matrix(nine, [80, 5432, 6379], (_from, to, port) => (port === 80 || to === "shop/web-1" ? "allowed" : "blocked")),
    ]);
    given.grade.tasks = [
      {
        name: "task-1",
        text: "Only the web tier may reach the database.\n",
        verdict: "pass",
        earned: 5,
        possible: 5,
        probes: [],
        voidedBy: [],
      },
    ];
    given.grade.earned = 5;
    given.grade.possible = 5;
    await matches("passed", given);
  });

  test("shows of a failure what was expected and seen, why, the evidence and the command that reruns it", async () => {
    await matches("failed", report([leak]));
  });

  test("leaves the details of the nodes to -o json, and says so", async () => {
    const evidence = [
      { kind: "node" as const, text: "SYN seen leaving pod shop/web, not arriving at pod shop/db" },
      { kind: "capture" as const, text: "capture at pod shop/web:\n1:2:3 eth0 Out", isDetail: true },
      { kind: "node" as const, text: "routes of two:\n10.1.0.7 dev cali2", isDetail: true },
    ];
    const silent = { observation: observation("dropped", "no answer to SYN", { evidence }) };
    const text = renderTerminal(
      report([probe("web reaches db", [cell("shop/web", "shop/db", "fail", silent)])]),
      plain,
    );
    expect(text).toContain("evidence  SYN seen leaving pod shop/web, not arriving at pod shop/db\n");
    expect(text).toContain("\n              … with details: -o json has 2 more\n");
    expect(text).not.toMatch(/capture at|routes of/);
  });

  test("says in one line where it stopped, with what was looked up", async () => {
    const text = renderTerminal(
      report([probe("web reaches db", [cell("shop/web", "shop/db", "fail", { layer: deaf })])]),
      plain,
    );
    expect(text).toContain(
      "\n    stopped at: listener: nothing listens on port 5432/TCP of shop/db (shop/db listens on \\x1b[2J)\n",
    );
  });

  test("says which guard voided a task", async () => {
    const given = report([leak]);
    given.grade.tasks = [
      {
        name: "task-1",
        text: "Isolate it.",
        verdict: "fail",
        earned: 0,
        possible: 5,
        probes: [],
        voidedBy: ["the web tier works"],
      },
    ];
    await matches("voided", given);
  });

  test("tells bonus points apart, and of each task that did not pass one cell that is wrong", async () => {
    const web = probe("web reaches the database", [cell("shop/web", "shop/db", "pass")], { earned: 5, possible: 5 });
    const given = report([
      web,
      { ...leak, isBonus: true, earned: 0, possible: 3 },
      probe("a neighbour still answers", [cell("shop/web", "shop/api", "pass")], { isBonus: true, role: "guard" }),
    ]);
    const key = { from: "shop/deployment/cache", to: "shop/service/db", port: 5432, protocol: "tcp" as const };
    const common = { probes: [], voidedBy: [] };
    const observed = { outcome: "allowed" as const, reason: "connected", tries: 2 };
    given.grade = {
      ...given.grade,
      verdict: "pass",
      earned: 3,
      possible: 5,
      bonus: { earned: 0, possible: 3, counts: { pass: 1, fail: 1, inconclusive: 0 } },
      tasks: [
        {
          ...common,
          name: "web",
          text: "Let web in.",
          verdict: "pass",
          earned: 3,
          possible: 5,
          hints: { taken: 2, of: 3, cost: 2 },
        },
        {
          ...common,
          name: "task-2",
          text: "Keep the cache out.",
          isBonus: true,
          verdict: "fail",
          earned: 0,
          possible: 3,
          hints: { taken: 1, of: 1, cost: 0 },
          feedback: { probe: leak.name, key, verdict: "fail", expected: "blocked", observed, reason: "x" },
        },
      ],
    };
    await matches("bonus", given);
    await expect(renderJunit(given)).toMatchFileSnapshot("expected/bonus.xml");
  });

  test("counts failures beyond the first ones, real failures before what is inconclusive", async () => {
    const given = report([
      matrix(nine, [5432], (from, to) =>
        from === "shop/visitor" ? "leaked" : to === "shop/db-0" ? "unsure" : "allowed",
      ),
    ]);
    await matches("many-failures", given);
  });

  test("leaves out points and tasks when it only probes", async () => {
    await matches("probe-only", report([leak], { mode: "probe" }));
  });

  test("wraps port blocks and shortens names on a narrow terminal", async () => {
    const long = nine.map((name) => `${name}-5d4f7c9b8d-x2x4q`);
    await matches("narrow", report([matrix(long, [80, 5432], () => "allowed")]), { colour: false, width: 48 });
  });

  test("gives counts and only unexpected rows for more than twenty pods", async () => {
    const pods = Array.from({ length: 30 }, (_each, index) => `load/pod-${index}`);
    const see = (from: string, to: string) =>
      from === "load/pod-3" ? "leaked" : to === "load/pod-9" ? "blocked" : "allowed";
    const text = renderTerminal(report([matrix(pods, [80], see)]), plain);
    await expect(text.slice(0, text.indexOf("\n\n✗ every pair", text.indexOf("✗ every pair")))).toMatchFileSnapshot(
      "expected/thirty-pods.txt",
    );
  });

  test("never passes escape sequences of tools, names or manifests to the terminal", () => {
    const evil = "\u001b[2J\u001b]0;owned\u0007\u202e\r";
    const given = report(
      [
        probe(
          `name ${evil}`,
          [
            cell(`shop/${evil}`, "shop/db-0", "fail", {
              reason: evil,
              rerun: evil,
              observation: observation("allowed", evil, {
                evidence: [{ kind: "tool-output", command: evil, text: evil }],
              }),
              why: { allowed: true, lines: [evil], spans: [] },
            }),
          ],
          { hint: evil, expectText: evil },
        ),
      ],
      { lab: { name: "x", title: evil, file: "x" }, notes: [evil] },
    );
    // eslint-disable-next-line no-control-regex
    expect(renderTerminal(given, plain)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  test("colours only when asked to", () => {
    expect(renderTerminal(report([leak]), plain)).not.toContain("\u001b");
    expect(renderTerminal(report([leak]), { colour: true, width: 100 })).toContain("\u001b[31m");
  });
});
