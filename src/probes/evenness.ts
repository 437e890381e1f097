/** Chance that an even random choice is called uneven, at most. */
const FALSE_ALARM = 0.001;

/**
 * The counts of one backend that are compatible with a uniformly random choice among `backends` for each of `requests`:
 * exact binomial tails, the false alarm of 0.001 shared out over both tails of every backend (Bonferroni), so that an
 * even random choice passes with at least 99.9 % whatever the numbers are. Chi-square only approximates that, badly so
 * for few requests.
 */
export function evenRange(requests: number, backends: number): { lowest: number; highest: number } {
  if (backends <= 1) return { lowest: requests, highest: requests };
  const tail = FALSE_ALARM / (2 * backends);
  const share = 1 / backends;
  let lowest = 0;
  for (
    let below = binomial(requests, 0, share);
    below <= tail && lowest < requests;
    below += binomial(requests, lowest, share)
  )
    lowest++;
  let highest = requests;
  for (
    let above = binomial(requests, requests, share);
    above <= tail && highest > 0;
    above += binomial(requests, highest, share)
  )
    highest--;
  return { lowest, highest };
}

/**
 * The fewest requests with which a backend that gets none is told from bad luck; with fewer, evenness cannot fail, and
 * so proves nothing.
 */
export function requestsToJudge(backends: number): number {
  if (backends <= 1) return 1;
  return Math.ceil(Math.log(FALSE_ALARM / (2 * backends)) / Math.log(1 - 1 / backends));
}

/** P(X = count) of Binomial(requests, share), through logarithms: the factorials overflow from 171 on. */
function binomial(requests: number, count: number, share: number): number {
  const ways = logFactorial(requests) - logFactorial(count) - logFactorial(requests - count);
  return Math.exp(ways + count * Math.log(share) + (requests - count) * Math.log1p(-share));
}

function logFactorial(number: number): number {
  let sum = 0;
  for (let factor = 2; factor <= number; factor++) sum += Math.log(factor);
  return sum;
}
