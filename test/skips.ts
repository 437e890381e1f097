/** Parts of skip reasons that CI accepts: lanes that need what its host does not have. */
export const skipsAllowedInCi = ["needs Docker", "needs an ordinary user", "needs a machine over SSH"];
