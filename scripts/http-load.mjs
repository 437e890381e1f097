import { Agent, get } from "node:http";

/*
 * `node http-load.mjs URL HOST RATE SECONDS`: asks for URL under the name HOST at a constant rate, however long answers take (an open loop), over
 * connections that are kept. Prints as JSON how many requests were sent, what became of them by status or error, and when the first of each
 * kind was; waits ten seconds at most for the last answers.
 */
const [url = "", host = "", rateText = "", secondsText = ""] = process.argv.slice(process.argv.length - 4);
const [rate, seconds] = [Number(rateText), Number(secondsText)];
const agent = new Agent({ keepAlive: true, maxSockets: 500 });
const outcomes = new Map();
const latencies = [];
const startedAt = performance.now();
let sent = 0;
let open = 0;

function count(outcome) {
  open--;
  const known = outcomes.get(outcome) ?? { count: 0, firstAtMs: Math.round(performance.now() - startedAt) };
  known.count++;
  outcomes.set(outcome, known);
}

function ask() {
  const askedAt = performance.now();
  open++;
  sent++;
  const request = get(url, { agent, headers: { host } }, (response) => {
    response.resume();
    response.once("error", ({ code, message }) => count(`body: ${code ?? message}`));
    response.once("end", () => {
      latencies.push(performance.now() - askedAt);
      count(`${response.statusCode}`);
    });
  });
  request.once("error", ({ code, message }) => count(code ?? message));
  request.setTimeout(5000, () => request.destroy(new Error("no answer in 5 s")));
}

function finish() {
  if (open > 0 && performance.now() - startedAt < (seconds + 10) * 1000) return setTimeout(finish, 10);
  latencies.sort((one, other) => one - other);
  const at = (share) => latencies[Math.floor(latencies.length * share)];
  process.stdout.write(
    JSON.stringify({
      sent,
      unanswered: open,
      outcomes: Object.fromEntries(outcomes),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      tookMs: performance.now() - startedAt,
    }),
  );
  process.exit(0);
}

function tick() {
  const elapsedS = (performance.now() - startedAt) / 1000;
  const due = Math.min(Math.floor(elapsedS * rate), rate * seconds);
  while (sent < due) ask();
  if (sent < rate * seconds) setTimeout(tick, 2);
  else finish();
}
tick();
