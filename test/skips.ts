/** Parts of skip reasons that CI accepts: lanes that need what its host does not have, or more time than it has. */
export const skipsAllowedInCi = [
  "needs Docker",
  "needs an ordinary user",
  "needs a machine over SSH",
  "too long for CI: npm run test:compare",
  "too long for CI: npm run test:machines",
  "too long for CI: npm run test:modes",
  "too long for CI: npm run test:weave",
];
